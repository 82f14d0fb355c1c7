// Reads the @params of sp_executesql ("@a int, @b nvarchar(max)") into names. Types are taken from the values' own TYPE_INFO, so they
// are not interpreted here.

export interface Declaration {
  readonly name: string; // with its @
  readonly type: string;
}

export function readDeclarations(text: string): Declaration[] {
  const declarations: Declaration[] = [];
  for (const part of splitOutsideBrackets(text)) {
    const match = /^\s*(@[\p{L}\p{N}_@#$]+)\s+(?:as\s+)?(.+?)\s*$/isu.exec(part);
    if (match?.[1] !== undefined && match[2] !== undefined) declarations.push({ name: match[1], type: match[2] });
  }
  return declarations;
}

function splitOutsideBrackets(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === "," && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}
