// How steps name things that are in a namespace, and what they mean where they say nothing.

export const defaultCluster = "main";
export const defaultDatabase = "main";
export const defaultNamespace = "prod";

/** In namespace `prod` unless the name says another: `staging/shop`. */
export function named(text: string): { readonly namespace: string; readonly name: string } {
  const [first = "", second] = text.split("/");
  return second === undefined ? { namespace: defaultNamespace, name: first } : { namespace: first, name: second };
}
