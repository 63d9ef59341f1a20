import { useState } from "preact/hooks";
import { send } from "../api";
import { again } from "../live";
import { set } from "../store";
import type { Me } from "../types";

/** Name and password; with an identity provider, people come in by /oidc instead. */
export function Login() {
  const [wrong, say] = useState(""), [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent): Promise<void> => {
    e.preventDefault();
    const given = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      set({ me: await send<Me>("/api/login", { name: given.get("name"), password: given.get("password") }) });
      again();
    } catch (error) {
      say((error as { status?: number }).status === 401 ? "That name and password do not go together." : (error as Error).message);
    } finally { setBusy(false); }
  };
  return <main class="login"><p class="house">Tercel</p><h1>Console</h1>
    <form onSubmit={submit}>
      <p class="field"><label for="name">Your name (journaled with what you do)</label><input id="name" name="name" autocomplete="username" maxLength={80} required autofocus /></p>
      <p class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required /></p>
      <button type="submit" class="main" disabled={busy}>{busy ? "Asking…" : "Log in"}</button>
      <p class="said" role="alert">{wrong}</p>
    </form>
    <p class="soft">No name yet? An admin adds one: <code>tercel console users add NAME</code>.</p>
  </main>;
}
