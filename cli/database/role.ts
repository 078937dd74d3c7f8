import { escapeIdentifier } from "pg";

/** A role's name in SQL that somebody is to run: in quotes where PostgreSQL would read another name without. */
export const roleInSql = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : escapeIdentifier(name));
