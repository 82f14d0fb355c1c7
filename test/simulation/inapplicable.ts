/** A step that cannot be done in the world as it is, for example about a pod that is not there. Nothing has changed. */
export class Inapplicable extends Error {}
