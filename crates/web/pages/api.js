// The way to the API: JSON, with the word that shows that a request comes from this page.

let csrf = null;
let onLogin = () => {};

export class Refused extends Error {
  constructor(status, kind, message) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

export function whenLoggedOut(show) {
  onLogin = show;
}

export async function ask(method, path, body, signal) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrf) headers["x-darkslide-csrf"] = csrf;
  let answer;
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    answer = await fetch(`/api/v1${path}`, { method, headers, body: text, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "line", "Darkslide does not answer. Is it still running?");
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({ kind: "internal", message: "The answer cannot be understood." }));
  if (answer.ok) return told;
  if (answer.status === 401 && path !== "/login") onLogin();
  throw new Refused(answer.status, told.kind, told.message);
}

export const get = (path, signal) => ask("GET", path, undefined, signal);
export const post = (path, body) => ask("POST", path, body ?? undefined);
export const put = (path, body) => ask("PUT", path, body);

export async function who() {
  const told = await get("/login");
  csrf = told.csrf;
  return told;
}

export async function logIn(name, secret) {
  const told = await post("/login", { name, secret });
  csrf = told.csrf;
  return told;
}

export async function logOut() {
  await ask("DELETE", "/login");
  csrf = null;
}

// What changes: hears `tasks`, `runs` and `thaws` until `signal` says that nobody listens any more.
export function listen(hear, signal) {
  const source = new EventSource("/api/v1/events");
  for (const name of ["tasks", "runs", "thaws"]) {
    source.addEventListener(name, (event) => hear(name, JSON.parse(event.data)));
  }
  signal.addEventListener("abort", () => source.close());
}
