//! What links, clicks, keys and people are, and what may be said about them.
//!
//! Nothing here knows HTTP, AWS, a clock or a source of randomness: times and random bits are
//! handed in, so every rule can be tested in microseconds.

mod agent;
mod audit;
pub mod bot;
mod click;
mod day;
mod destination;
mod dimension;
mod email;
pub mod filter;
mod id;
mod idempotency;
mod identity;
mod invitation;
mod join;
mod key;
mod link;
mod name;
mod origins;
mod orphan;
mod pkce;
mod place;
mod principal;
mod purpose;
mod rate;
mod redirect_uri;
mod retention;
mod role;
pub mod rollup;
mod route;
mod scope;
mod script;
mod secret;
mod session;
pub mod sign_in;
mod sign_up;
mod slug;
pub mod stats;
mod tag;
mod throttle;
mod user;
mod utm;
pub mod values;
mod varint;
mod visitor;
pub mod visitors;
mod workspace;

pub use agent::{Agent, Device};
pub use audit::{Action, ActionError, AuditEvent};
pub use click::{BotLabel, BotWhy, Click, RecordedClick};
pub use day::{Day, DayError};
pub use destination::{Destination, DestinationError, HostRules};
pub use dimension::{Dimension, DimensionError};
pub use email::{Email, EmailError};
pub use id::{
    AuditId, ClickId, IdError, InvitationId, KeyId, LinkId, TokenId, UserId, WorkspaceId,
};
pub use idempotency::{IdempotencyKey, IdempotencyKeyError};
pub use identity::OutsideIdentity;
pub use invitation::Invitation;
pub use join::{JoinRules, JoinRulesError};
pub use key::{ApiKey, KeyError, KeyRecord, Refusal};
pub use link::{
    Definition, DefinitionError, Link, LinkChange, MAX_ALIASES, MAX_CLICKS_LIMIT, MAX_TAGS,
    RedirectStatus, Title, TitleError,
};
pub use name::{Name, NameError};
pub use origins::{Domain, OriginError, Origins};
pub use orphan::Orphan;
pub use pkce::{CodeChallenge, CodeChallengeError, CodeVerifier, CodeVerifierError};
pub use place::Place;
pub use principal::{Principal, PrincipalError};
pub use purpose::Purpose;
pub use rate::{Bucket, Quota, RateLimit};
pub use redirect_uri::{RedirectRules, RedirectUri, RedirectUriError, RegisteredUriError};
pub use retention::{Retention, RetentionError};
pub use role::{Role, RoleError};
pub use route::{Decision, Route};
pub use scope::{Scope, ScopeError};
pub use secret::{
    InvitationToken, Inviting, Secret, SecretError, SecretHash, SecretKind, SignInCode, SigningIn,
};
pub use session::{
    OWN_CLIENT, Presented, RefreshToken, Refreshing, Session, SessionId, SessionIdError, SessionKey,
};
pub use sign_in::{
    BrowserSecret, ClientState, ClientStateError, SignIn, SignInGrant, SignInRequest, SignInState,
};
pub use sign_up::{SignUp, SignUpError};
pub use slug::{Slug, SlugError};
pub use tag::{Tag, TagError};
pub use throttle::{Attempts, Guesses, Throttle, network};
pub use user::{PasswordHash, User, UserChange};
pub use utm::Utm;
pub use visitor::{Salt, Visitor};
pub use workspace::{Member, Workspace, WorkspaceChange};
