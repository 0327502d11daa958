/** The service of this machine: requests, what went wrong in one shape, events as they come, uploads. */

const BASE = new URL("api/v1/", new URL(".", location.href.split("#")[0]));

/** What the service says went wrong. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.code = error.code || "";
    this.hint = error.hint || "";
  }
}

/** The address of something the service has; parameters that are null are left out, lists repeated. */
export function address(path, params = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) url.searchParams.append(name, one);
    }
  }
  return url.href;
}

async function refused(answer) {
  let error = {};
  try {
    error = (await answer.json()).error || {};
  } catch { /* no JSON: the status says what there is to say */ }
  if (answer.status === 401) dispatchEvent(new CustomEvent("locked"));
  return new ApiError(answer.status, error);
}

async function ask(method, path, { params, body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(address(path, params), {
      method, signal,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "the server does not answer", hint: "is seektrack serve still running?" });
  }
  if (!answer.ok) throw await refused(answer);
  return answer;
}

export const get = async (path, params, signal) => (await ask("GET", path, { params, signal })).json();
export const post = async (path, body = {}, params) => (await ask("POST", path, { body, params })).json();
export const remove = async (path) => void (await ask("DELETE", path));

/** Save what a request answers as a file of its own name. */
export async function download(method, path, { params, body, name = "seektrack" } = {}) {
  const answer = await ask(method, path, { params, body });
  const told = /filename\*?="?(?:utf-8'')?([^";]+)/i.exec(answer.headers.get("content-disposition") || "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = told ? decodeURIComponent(told[1]) : name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 30000);
}

/**
 * Listen to events by name, `{name: told(content)}`; comes back by itself after a break. Gives what ends it.
 * `broken(error)` hears of breaks: with an error of those that do not heal, with null of others.
 */
export function listen(path, told, broken = () => {}) {
  const source = new EventSource(address(path));
  source.addEventListener("error", () => broken(source.readyState === EventSource.CLOSED
    ? new ApiError(0, { message: "the server tells no more of it", hint: "reload the page" }) : null));
  for (const [name, hear] of Object.entries(told)) source.addEventListener(name, (event) => hear(JSON.parse(event.data)));
  return () => source.close();
}

/** Send a film; `progress` is told the share that has gone, 0 to 1. */
export function upload(file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("uploads"));
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => request.status < 300 ? resolve(request.response)
      : reject(new ApiError(request.status, request.response?.error || {}));
    request.onerror = () => reject(new ApiError(0, { message: `${file.name} was not taken`, hint: "the connection broke; try again" }));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}
