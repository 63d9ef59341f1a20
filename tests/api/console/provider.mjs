// npm's oidc-provider on loopback: node provider.mjs MODULES PORT CALLBACK; whoever logs in is called by the login's name.
const [, , modules, port, callback] = process.argv;
const { default: Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "tercel", client_secret: "a secret of the client", redirect_uris: [callback] }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: id }) }),
  claims: { openid: ["sub"], profile: ["name"] },
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
