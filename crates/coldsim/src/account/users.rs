//! Users, and their second factors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::holders::{self, Kind, boundary_json, page, tag_list};
use super::query::tags_json;
use super::sessions::is_code_of;
use super::{Account, Call, Device, Fault, Holder, Params, Reply};
use crate::state::{ACCOUNT, State};

/// Answers a call about users; none if it is about something else.
pub(super) fn call(state: &mut State, action: &str, params: &Params, call: &Call<'_>) -> Option<Reply> {
    Some(match action {
        "CreateUser" => create(state, params),
        "GetUser" => get(state, params, call),
        "DeleteUser" => delete(&mut state.account, params),
        "UpdateUser" => update(&mut state.account, params),
        "ListUsers" => {
            let prefix = params.get("PathPrefix").unwrap_or("/");
            let users = state.account.users.values().filter(|user| user.path.starts_with(prefix));
            page("Users", users.map(shown_in_list).collect(), params)
        }
        "ListGroupsForUser" => {
            holders::holder(&state.account, Kind::User, params).and_then(|_| page("Groups", Vec::new(), params))
        }
        "GetLoginProfile" => Err(Fault::no_such("login profile for", params.get("UserName").unwrap_or_default())),
        "CreateVirtualMFADevice" => create_device(state, params),
        "EnableMFADevice" => enable_device(state, params, call),
        "DeactivateMFADevice" => deactivate_device(&mut state.account, params),
        "DeleteVirtualMFADevice" => delete_device(&mut state.account, params),
        "ListMFADevices" => devices(&state.account, params),
        _ => return holders::call(&mut state.account, action, params),
    })
}

fn shown_in_list(user: &Holder) -> Value {
    json!({
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.user_arn(),
        "CreateDate": user.created.to_string(),
    })
}

fn shown(user: &Holder) -> Value {
    let mut value = shown_in_list(user);
    value["PermissionsBoundary"] = boundary_json(user);
    if !user.tags.is_empty() {
        value["Tags"] = tags_json(&user.tags);
    }
    value
}

fn create(state: &mut State, params: &Params) -> Reply {
    let id = format!("AIDA{}", state.fresh_id()[..17].to_uppercase());
    let user = holders::new(&state.account, params, (Kind::User, id), state.now)?;
    // Names that differ in case only are one to IAM.
    if state.account.users.keys().any(|name| name.eq_ignore_ascii_case(&user.name)) {
        return Err(Fault::exists("User", &user.name));
    }
    let answer = json!({ "User": shown(&user) });
    state.account.users.insert(user.name.clone(), user);
    Ok(answer)
}

fn get(state: &State, params: &Params, call: &Call<'_>) -> Reply {
    let name = match params.get("UserName") {
        Some(name) => name,
        None => call.caller.user.as_deref().ok_or_else(|| Fault::invalid("Must specify userName"))?,
    };
    let user = state.account.users.get(name).ok_or_else(|| Fault::no_such(Kind::User.word(), name))?;
    Ok(json!({ "User": shown(user) }))
}

fn delete(account: &mut Account, params: &Params) -> Reply {
    let user = holders::holder(account, Kind::User, params)?;
    let name = user.name.clone();
    let left = if account.keys.values().any(|key| key.user == name) {
        "must delete access keys first"
    } else if !user.inline.is_empty() {
        "must delete policies first"
    } else if !user.attached.is_empty() {
        "must detach all policies first"
    } else if account.devices.values().any(|device| device.user.as_ref() == Some(&name)) {
        "must delete MFA device first"
    } else {
        account.users.remove(&name);
        return Ok(json!({}));
    };
    Err(Fault::conflict(format!("Cannot delete entity, {left}.")))
}

fn update(account: &mut Account, params: &Params) -> Reply {
    let mut user = holders::holder(account, Kind::User, params)?.clone();
    let old = user.name.clone();
    if let Some(path) = params.get("NewPath") {
        user.path = path.to_string();
    }
    if params.get("NewUserName").is_some() {
        user.name = holders::name(params, "NewUserName", 64)?;
        if account.users.contains_key(&user.name) {
            return Err(Fault::exists("User", &user.name));
        }
    }
    account.users.remove(&old);
    for key in account.keys.values_mut().filter(|key| key.user == old) {
        key.user.clone_from(&user.name);
    }
    account.users.insert(user.name.clone(), user);
    Ok(json!({}))
}

fn create_device(state: &mut State, params: &Params) -> Reply {
    let name = holders::name(params, "VirtualMFADeviceName", 226)?;
    let serial = format!("arn:aws:iam::{ACCOUNT}:mfa{}{name}", holders::path(params)?);
    if state.account.devices.contains_key(&serial) {
        return Err(Fault::exists("MFADevice", &serial));
    }
    let seed = state.fresh_id().as_bytes()[..20].to_vec();
    let shown = base32(&seed);
    state.account.devices.insert(serial.clone(), Device { seed, user: None });
    Ok(json!({ "VirtualMFADevice": {
        "SerialNumber": serial,
        // Both are base64 of what they hold.
        "Base32StringSeed": BASE64.encode(shown),
    } }))
}

/// RFC 4648, of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for group in bytes.chunks(5) {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        out.extend((0..8).map(|at| char::from(digits[(number >> (35 - 5 * at) & 31) as usize])));
    }
    out
}

fn device<'a>(account: &'a mut Account, params: &Params) -> Result<&'a mut Device, Fault> {
    let serial = params.need("SerialNumber")?;
    account.devices.get_mut(serial).ok_or_else(|| Fault::no_such("MFA device with serial number", serial))
}

fn enable_device(state: &mut State, params: &Params, call: &Call<'_>) -> Reply {
    let name = holders::holder(&state.account, Kind::User, params)?.name.clone();
    let device = device(&mut state.account, params)?;
    let good = ["AuthenticationCode1", "AuthenticationCode2"]
        .iter()
        .all(|code| params.get(code).is_some_and(|code| is_code_of(&device.seed, code, call.real_now)));
    if !good {
        return Err(Fault::new(403, "InvalidAuthenticationCode", "Authentication code for device is not valid."));
    }
    device.user = Some(name);
    Ok(json!({}))
}

fn deactivate_device(account: &mut Account, params: &Params) -> Reply {
    device(account, params)?.user = None;
    Ok(json!({}))
}

fn delete_device(account: &mut Account, params: &Params) -> Reply {
    if device(account, params)?.user.is_some() {
        return Err(Fault::conflict("Cannot delete a device that is assigned; deactivate it first."));
    }
    account.devices.remove(params.need("SerialNumber")?);
    Ok(json!({}))
}

fn devices(account: &Account, params: &Params) -> Reply {
    let user = holders::holder(account, Kind::User, params)?;
    let own = account.devices.iter().filter(|(_, device)| device.user.as_ref() == Some(&user.name));
    let shown = own.map(|(serial, _)| json!({ "UserName": user.name, "SerialNumber": serial }));
    page("MFADevices", shown.collect(), params)
}

/// Tags as a page, for what is not a holder.
pub(super) fn tag_page(tags: &super::Tags, params: &Params) -> Reply {
    page("Tags", tag_list(tags), params)
}
