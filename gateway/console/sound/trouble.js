/** A source cannot be used; the message is for people. */
export class SourceError extends Error {}
