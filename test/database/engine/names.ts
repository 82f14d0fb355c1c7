// Names inside strings, as OBJECT_ID and HAS_PERMS_BY_NAME read them: dbo.t, [dbo].[t].

/** The parts of a name, or undefined where it is none. */
export function parseNameText(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let rest = text.trim();
  for (;;) {
    const match = /^(?:\[((?:[^\]]|\]\])+)\]|([^.[\]]+))(\.|$)/.exec(rest);
    if (match === null) return undefined;
    parts.push(match[1]?.replaceAll("]]", "]") ?? match[2] ?? "");
    if (match[3] === "") return parts;
    rest = rest.slice(match[0].length);
  }
}
