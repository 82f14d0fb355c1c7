// Prints every statement that the operator can send, one JSON object a line: {"schema","name","purpose","sql"}. It connects to nothing.
import { catalogues, schemas } from "../operator/sqlserver/catalogues.ts";
import { shapeOf } from "../operator/sqlserver/shape.ts";
import { allStatements } from "../operator/sqlserver/statements.ts";

for (const schema of schemas) {
  const reading = shapeOf("dbo", catalogues[schema]);
  if (reading.kind === "unknown") throw new Error(`Cannot print the statements of ${schema}: ${reading.missing.join(", ")}`);
  for (const { name, purpose, sql } of allStatements(reading.shape))
    process.stdout.write(`${JSON.stringify({ schema, name, purpose, sql })}\n`);
}
