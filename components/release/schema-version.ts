/** What `migrate` says about the schema, by its line `schema version N`. */
export function schemaVersionIn(output: string): number | undefined {
  const found = /^schema version (\d+)$/m.exec(output)?.[1];
  return found === undefined ? undefined : Number(found);
}
