// A sign-in provider for tests: node provider.mjs '{"packages": FOLDER, "console": URL}'. Prints its issuer on a line.
// POST /_say {"users": {ID: CLAIMS}, "rotate": true} changes who there is, and the keys. Whoever asks with the header
// X-Account is that user, by the ways in X-Amr; nobody types anything.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { packages, console: home, secret } = JSON.parse(process.argv[2]);
const found = createRequire(`${packages}/`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(found));

let users = {};
let issuer;
let answer;

function start() {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'afluente',
      client_secret: secret,
      redirect_uris: [`${home}/sign-in/callback`],
      post_logout_redirect_uris: [`${home}/signed-out`],
      backchannel_logout_uri: `${home}/sign-out/back-channel`,
      backchannel_logout_session_required: true,
    }],
    jwks: { keys: [{ ...key, kid: randomUUID(), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['of the tests'] },
    scopes: ['openid', 'groups'],
    claims: { openid: ['sub', 'amr'], profile: ['name'], groups: ['groups'] },
    conformIdTokenClaims: false,
    acrValues: ['urn:strong'],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => { ctx.body = form; } },
    },
    // It refuses to call private addresses; here everything is on the loopback one.
    fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => users[id] && { accountId: id, claims: () => ({ sub: id, ...users[id] }) },
    renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid profile groups');
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (ctx, error) => { process.stderr.write(`${error.stack}\n`); });
  provider.on('backchannel.error', (ctx, error) => { process.stderr.write(`${error.stack} ${error.cause?.stack}\n`); });
  const serve = provider.callback();
  answer = async (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      serve(request, response);
      return;
    }
    const amr = (request.headers['x-amr'] ?? 'pwd').split(' ');
    const login = { accountId: request.headers['x-account'], amr, acr: amr.includes('mfa') ? 'urn:strong' : undefined };
    await provider.interactionFinished(request, response, { login });
  };
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces));
}

const server = createServer(async (request, response) => {
  if (request.url !== '/_say') {
    await answer(request, response);
    return;
  }
  const said = await bodyOf(request);
  if (said.users) users = said.users;
  if (said.rotate) start();
  response.end('{}');
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  start();
  process.stdout.write(`${issuer}\n`);
});
