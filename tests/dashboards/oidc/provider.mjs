// An OpenID provider for tests: `node provider.mjs PORT CLIENT_SECRET CALLBACK PEOPLE`, in which PEOPLE is JSON, claims by login.
// Whoever says a name is believed, so that there are no passwords. It ends with whoever started it.
import { Provider, interactionPolicy } from 'oidc-provider';

const [port, secret, callback, people] = process.argv.slice(2);
const known = JSON.parse(people);
const issuer = `http://127.0.0.1:${port}`;

// `select_account`, which the dashboard asks for, is known here, and asks nothing more than who it is.
const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }));

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'counterfoil',
    client_secret: secret,
    redirect_uris: [callback],
    post_logout_redirect_uris: [callback],
  }],
  claims: { openid: ['sub', 'email', 'email_verified', 'groups', 'tenant'] },
  // What is asked for by a scope stands in the ID token, which is all that the dashboard reads.
  conformIdTokenClaims: false,
  interactions: { policy, url: () => '/login' },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      logoutSource(context, form) {
        context.body = `${form}<button form="op.logoutForm" name="logout" value="yes">Yes, log out</button>`;
      },
    },
  },
  pkce: { required: () => true },
  async findAccount(_context, id) {
    return { accountId: id, claims: async () => ({ sub: id, ...known[id] }) };
  },
  // The one client may have what it asks for, so that nobody is asked to consent.
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

provider.use(async (context, next) => {
  if (context.path !== '/login') return next();
  if (context.query.who) {
    context.respond = false;
    const chosen = { login: { accountId: context.query.who }, select_account: {} };
    return provider.interactionFinished(context.req, context.res, chosen);
  }
  context.body = '<form><label>Who are you? <input name="who"></label><button>Go on</button></form>';
});

process.stdin.on('end', () => process.exit()).resume();
provider.listen(Number(port), '127.0.0.1', () => console.log(issuer));
