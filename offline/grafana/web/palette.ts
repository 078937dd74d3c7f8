/** Grafana's named colours, in five shades each: super-light, light, plain, semi-dark, dark. */
const HUES: Readonly<Record<string, readonly [string, string, string, string, string]>> = {
  red: ["#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A"],
  orange: ["#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400"],
  yellow: ["#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400"],
  green: ["#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D"],
  blue: ["#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4"],
  purple: ["#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8"],
};
const SHADES = ["super-light", "light", "", "semi-dark", "dark"];

/** The order in which series without a colour of their own get one. */
const CLASSIC = [
  "#73BF69",
  "#F2CC0C",
  "#8AB8FF",
  "#FF780A",
  "#F2495C",
  "#5794F2",
  "#B877D9",
  "#705DA0",
  "#37872D",
  "#FADE2A",
  "#447EBC",
  "#C15C17",
  "#E24D42",
  "#1F78C1",
  "#BA43A9",
  "#705DA0",
  "#508642",
  "#CCA300",
  "#6D1F62",
  "#0A50A1",
];

/** A colour as CSS takes it: a name of Grafana's becomes its hex value, anything else is left alone. */
export function cssColor(name: string): string {
  const lower = name.toLowerCase();
  if (lower === "transparent") return "rgba(0,0,0,0)";
  if (lower === "text") return "currentColor";
  const match = /^(?:(super-light|light|semi-dark|dark)-)?(red|orange|yellow|green|blue|purple)$/.exec(lower);
  if (match === null) return name;
  return HUES[match[2] ?? ""]?.[SHADES.indexOf(match[1] ?? "")] ?? name;
}

export function classicColor(index: number): string {
  return CLASSIC[index % CLASSIC.length] ?? "#73BF69";
}

/** Colours that can be told apart, and from either page, for series that are coloured by their names. */
const BY_NAME = [
  "#73BF69",
  "#F2CC0C",
  "#5794F2",
  "#FF780A",
  "#F2495C",
  "#B877D9",
  "#8AB8FF",
  "#56A64B",
  "#FFB357",
  "#3274D9",
  "#FF7383",
  "#A352CC",
  "#E0B400",
  "#96D98D",
  "#E02F44",
  "#CA95E5",
];

/**
 * A colour for each name: the same one wherever the name is alone with it. Where two names of one panel would share a
 * colour, the later one gets the next that is free.
 */
export function colorsByName(names: readonly string[]): Map<string, string> {
  const taken = new Set<number>();
  const colors = new Map<string, string>();
  for (const name of names) {
    if (colors.has(name)) continue;
    let hash = 2166136261;
    for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
    let place = (hash >>> 0) % BY_NAME.length;
    while (taken.has(place) && taken.size < BY_NAME.length) place = (place + 1) % BY_NAME.length;
    taken.add(place);
    colors.set(name, BY_NAME[place] ?? "#73BF69");
  }
  return colors;
}

/** Red, green and blue from 0 to 255, and alpha; undefined for what is neither hex nor rgb(). */
export function channels(color: string): [number, number, number, number] | undefined {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$/i.exec(color)?.[1];
  if (hex !== undefined) {
    const long = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
    const at = (index: number) => Number.parseInt(long.slice(index, index + 2), 16);
    return [at(0), at(2), at(4), long.length === 8 ? at(6) / 255 : 1];
  }
  const parts = /^rgba?\(([^)]*)\)$/
    .exec(color)?.[1]
    ?.split(/[,\s/]+/)
    .map(Number);
  if (parts === undefined || parts.length < 3 || parts.some(Number.isNaN)) return undefined;
  return [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0, parts[3] ?? 1];
}

export function withAlpha(color: string, alpha: number): string {
  const parts = channels(color);
  return parts === undefined ? color : `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${parts[3] * alpha})`;
}

/** `share` 0 is `from`, 1 is `to`. */
export function mix(from: string, to: string, share: number): string {
  const [a, b] = [channels(from), channels(to)];
  if (a === undefined || b === undefined) return share < 0.5 ? from : to;
  const at = (index: 0 | 1 | 2) => Math.round(a[index] + (b[index] - a[index]) * share);
  return `rgb(${at(0)}, ${at(1)}, ${at(2)})`;
}

/** Text that can be read on `background`. */
export function readableOn(background: string): string {
  const parts = channels(background);
  if (parts === undefined) return "#ffffff";
  const luminance = (0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]) / 255;
  return luminance > 0.55 ? "#1b1e23" : "#ffffff";
}

/** Lighter and darker versions of a colour, told apart by a series' number. */
export function shade(color: string, index: number): string {
  const steps = [0, 0.28, -0.24, 0.46, -0.4, 0.14, -0.12];
  const step = steps[index % steps.length] ?? 0;
  return step >= 0 ? mix(color, "#ffffff", step) : mix(color, "#000000", -step);
}

/** Colour schemes of heat maps, from little to much, for a dark and for a light page. */
const SCHEMES: Readonly<Record<string, readonly string[]>> = {
  oranges: ["#fff5eb", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704"],
  reds: ["#fff5f0", "#fcbba1", "#fb6a4a", "#cb181d", "#67000d"],
  greens: ["#f7fcf5", "#c7e9c0", "#74c476", "#238b45", "#00441b"],
  blues: ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
  purples: ["#fcfbfd", "#dadaeb", "#9e9ac8", "#6a51a3", "#3f007d"],
  greys: ["#ffffff", "#d9d9d9", "#969696", "#525252", "#000000"],
  spectral: ["#5e4fa2", "#66c2a5", "#e6f598", "#fdae61", "#9e0142"],
  turbo: ["#23171b", "#26bce1", "#95fb51", "#ff821d", "#900c00"],
};

/** A colour of the scheme for a share from 0 to 1. Single-hue schemes run from the page's own shade to the bright end. */
export function schemeColor(scheme: string, share: number, isDark: boolean, reverse = false): string {
  const stops = SCHEMES[scheme.toLowerCase()] ?? SCHEMES.oranges ?? [];
  const isSingleHue = !["spectral", "turbo"].includes(scheme.toLowerCase());
  const flip = reverse !== (isSingleHue && isDark);
  const position = Math.min(1, Math.max(0, flip ? 1 - share : share)) * (stops.length - 1);
  const low = Math.min(Math.floor(position), stops.length - 2);
  return mix(stops[low] ?? "#000000", stops[low + 1] ?? "#ffffff", position - low);
}
