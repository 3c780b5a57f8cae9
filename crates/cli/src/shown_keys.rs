//! Secret keys that are shown once and kept nowhere.

use darkslide_engine::provision::cloud::{KeyId, NewKey};
use darkslide_engine::provision::desired::IamName;
use darkslide_engine::provision::keys::Slot;
use darkslide_engine::provision::{KeyKeeper, ProvisionError};
use secrecy::ExposeSecret as _;

use crate::output;

/// Somebody's screen.
pub struct ShownKeys;

impl KeyKeeper for ShownKeys {
    fn held(&self, _: &IamName, _: Slot) -> Result<Option<KeyId>, ProvisionError> {
        Ok(None)
    }

    fn read(&self, _: &IamName, _: Slot) -> Result<Option<NewKey>, ProvisionError> {
        Ok(None)
    }

    fn keep(&self, user: &IamName, _: Slot, key: &NewKey) -> Result<String, ProvisionError> {
        output::line(format_args!(
            "[{user}]\naws_access_key_id = {}\naws_secret_access_key = {}",
            key.id,
            key.secret.expose_secret()
        ));
        Ok("shown above, and kept nowhere".into())
    }

    fn promote(&self, _: &IamName) -> Result<String, ProvisionError> {
        Ok("shown above, and kept nowhere".into())
    }

    fn forget(&self, _: &IamName, _: &KeyId) -> Result<(), ProvisionError> {
        Ok(())
    }
}
