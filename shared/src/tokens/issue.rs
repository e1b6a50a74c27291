//! Issuing a token: one write, so there is no half of it.

use crate::aws::Services;
use crate::aws::table::NewToken;
use crate::model::app::App;
use crate::model::error::Fault;
use crate::model::time::UnixMillis;
use crate::model::token::{Token, TokenRequest};

/// A token for its bearer. No `Debug`: it must not reach a log.
pub struct Issued {
    /// The token.
    pub token: Token,
    /// Until when it can be used for the first time.
    pub expires_at: UnixMillis,
}

/// Makes a token and stores what it grants under its digest. One write. A token whose answer is
/// lost is never used, and goes by itself.
///
/// # Errors
/// [`Fault`]: none was issued.
pub async fn issue(
    services: &Services,
    app: &App,
    request: &TokenRequest,
    now: UnixMillis,
) -> Result<Issued, Fault> {
    let token = Token::generate()?;
    let expires_at = now.plus_secs(request.ttl_secs);
    let reconnect_until =
        (request.reconnect_secs > 0).then(|| expires_at.plus_secs(request.reconnect_secs));
    let new = NewToken {
        digest: &token.digest(),
        app_id: app.id(),
        grant: &request.grant,
        expires_at,
        reconnect_until,
    };
    services.table.put_token(new).await?;
    Ok(Issued { token, expires_at })
}
