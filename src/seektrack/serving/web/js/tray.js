/** What goes on, in the corner: uploads, jobs and how far they are, what went wrong. */
import { button, el, fill } from "./dom.js";
import { listen, post } from "./api.js";

const STAY_MS = 3000;

/** A note; `step(text, share)` moves it on, `done(text)` and `wrong(error)` end it. */
export function note(title, { stop = null } = {}) {
  const meter = el("span", { class: "meter unknown", role: "progressbar", "aria-label": title }, el("i"));
  const about = el("small", { "aria-live": "off" }), head = el("strong", { text: title });
  const end = el("span", {}, stop && button("Stop", stop, { class: "button quiet" }));
  const box = el("div", { class: "note" }, head, end, about, meter);
  document.getElementById("tray").append(box);
  const close = () => box.remove();
  return {
    step(text, share = null) {
      about.textContent = text;
      meter.classList.toggle("unknown", share === null);
      meter.firstChild.style.width = share === null ? "" : `${Math.round(100 * share)}%`;
      if (share !== null) meter.setAttribute("aria-valuenow", Math.round(100 * share));
    },
    done(text) {
      about.removeAttribute("aria-live"); // every step would be read out; the end is
      about.textContent = text;
      meter.remove();
      fill(end, button("Close", close, { class: "button quiet" }));
      setTimeout(close, STAY_MS);
    },
    wrong(error) {
      box.classList.add("wrong");
      about.removeAttribute("aria-live");
      head.textContent = `${title}: ${error.message}`;
      about.textContent = error.hint || "";
      meter.remove();
      fill(end, button("Close", close, { class: "button quiet" }));
    },
    close,
  };
}

/** Say what went wrong, unless it was stopped on purpose. */
export function trouble(error, what = "That did not work") {
  if (error.name !== "AbortError" && error.status !== 401) note(what).wrong(error);
}

const followed = new Map();

/** Show a job until it ends; gives it then, and fails as it failed. One that is shown already is not shown twice. */
export function follow(job, title, told = () => {}) {
  const all = followed.get(job.id) ?? { listeners: new Set() };
  all.listeners.add(told);
  if (!all.end) {
    followed.set(job.id, all);
    all.end = watch(job, title, (now) => all.listeners.forEach((hear) => hear(now))).finally(() => followed.delete(job.id));
  }
  return all.end;
}

function watch(job, title, told) {
  const shown = note(title, { stop: () => post(`jobs/${job.id}/cancel`).catch(trouble) });
  return new Promise((resolve, reject) => {
    const broken = (error) => {
      if (!error) return shown.step("the server does not answer; waiting for it");
      shown.wrong(error);
      reject(Object.assign(error, { name: "AbortError" }));
    };
    const end = listen(`jobs/${job.id}/events`, { job: (now) => {
      told(now);
      const step = now.progress;
      if (now.state === "queued") shown.step("waits its turn");
      else if (step) shown.step(step.total > 0 ? `${step.stage}, ${step.done} of ${step.total}` : step.stage, step.total > 0 ? step.done / step.total : null);
      if (now.state === "done") {
        shown.done("done");
        resolve(now);
      } else if (now.state === "cancelled") {
        shown.done("stopped");
        reject(new DOMException("stopped", "AbortError"));
      } else if (now.state === "failed") {
        const error = Object.assign(new Error(now.error?.message || "it failed"), { hint: now.error?.hint });
        shown.wrong(error);
        reject(Object.assign(error, { name: "AbortError" }));
      }
      if (["done", "failed", "cancelled"].includes(now.state)) end();
    } }, broken);
  });
}
