// The way in: name and password and, where the console has one, an identity provider.
import { useState } from "preact/hooks";
import { send, useGet, type Refused } from "../api";
import { again } from "../live";
import { Button } from "../parts/basic";
import { set } from "../store";

export function Login() {
  const [wrong, say] = useState("");
  const [busy, setBusy] = useState(false);
  const ways = useGet("/api/ways", {});
  const submit = async (e: SubmitEvent): Promise<void> => {
    e.preventDefault();
    const given = Object.fromEntries(new FormData(e.currentTarget as HTMLFormElement)) as Record<string, string>;
    setBusy(true);
    try {
      set({ me: await send("/api/login", {}, { name: given.name ?? "", password: given.password ?? "" }) });
      again();
    } catch (error) {
      const { status, message } = error as Refused;
      say(status === 401 ? "That name and password do not go together." : message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="col-span-full w-[min(22rem,92vw)] self-center justify-self-center">
      <p class="house">Tercel</p>
      <h1 class="text-2xl font-bold">Console</h1>
      <form class="grid gap-3" onSubmit={submit}>
        <p class="field">
          <label for="name">Your name (journaled with what you do)</label>
          <input id="name" name="name" autocomplete="username" maxLength={80} required autofocus />
        </p>
        <p class="field">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </p>
        <Button kind="main" off={busy} say={busy ? "Asking…" : "Log in"} />
        <p class="said min-h-6 text-bad" role="alert">
          {wrong}
        </p>
      </form>
      {ways.data?.oidc && (
        <a class="button text-center" href="/oidc">
          Log in with the identity provider
        </a>
      )}
      <p class="text-soft">
        No name yet? An admin adds one: <code>tercel console users add NAME</code>.
      </p>
    </main>
  );
}
