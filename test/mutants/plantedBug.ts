// What a planted bug is, and planting one in a text. It touches no file.

export interface PlantedBug {
  /** Short and unique, in the words of the promise that it breaks. */
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly plant: string;
  /** A test file that `make test` runs and that fails with this bug alone. Absent: only the simulated worlds find it. */
  readonly killedBy?: string;
}

/** Throws where the text has changed so that the bug cannot be planted any more: then the list must follow the code. */
export function plantedIn(text: string, { name, file, find, plant }: PlantedBug): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`Cannot plant "${name}": ${file} has its text ${parts.length - 1} times, not once`);
  return parts.join(plant);
}
