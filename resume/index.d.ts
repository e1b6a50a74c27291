import type Pusher from "pusher-js";

export interface ResumeOptions {
  /** Where the channels' logs are read: `https://example.com/status/{key}`. */
  statusUrl: string;
  /**
   * Asks your server for a token that grants the private and presence channels that the client is on.
   * Without it only public channels are resumed.
   */
  token?: () => Promise<string>;
}

/** What a channel's event `resume:truncated` carries: something after this serial may be missing. */
export interface Truncated {
  /** Absent when the connection ended before it was known where the channel stood. */
  after?: number;
  /** Why, when the log could not be read. */
  error?: Error;
}

/**
 * Has a client shown what was published on its channels while it was not connected: in order, before
 * what is published afterwards, and nothing twice. The channels' own handlers get it.
 *
 * Gives a function that ends it.
 */
export function resume(pusher: Pusher, options: ResumeOptions): () => void;
