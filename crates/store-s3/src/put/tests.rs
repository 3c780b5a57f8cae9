//! What goes over the wire with an upload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::settings::{Key, S3Settings};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use darkslide_words::{Bytes as Size, Temperature};

#[test]
fn sums_are_what_the_wire_wants() {
    // CRC64NVME of "123456789" is ae8b14860a799888 (the check value of its definition).
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, b"123456789");
    assert_eq!(crc, 0xae8b_1486_0a79_9888);
    assert_eq!(Sum::crc64(crc), Sum::Crc64("rosUhgp5mIg=".into()));
    assert_eq!(Sum::md5(b""), Sum::Md5("1B2M2Y8AsgTpgAmY7PhCfg==".into()));
    assert_eq!(Sum::sha256(b""), Sum::Sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into()));
}

/// Writes down the headers of a request that is ready to be sent.
#[derive(Debug, Default, Clone)]
struct Spy(Arc<Mutex<BTreeMap<String, String>>>);

impl Intercept for Spy {
    fn name(&self) -> &'static str {
        "Spy"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request().headers().iter();
        *self.0.lock().unwrap() = headers.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(())
    }
}

/// The headers of a PUT of `123456789` to a place where nobody listens.
fn headers(class: &str, change: impl FnOnce(&mut S3Settings)) -> BTreeMap<String, String> {
    let mut settings = S3Settings::new("photos", "nas");
    settings.region = Some("eu-west-1".into());
    settings.endpoint = Some("https://127.0.0.1:9".into());
    settings.credentials = Some(Key { id: "id".into(), secret: "secret".into(), token: None });
    settings.patience.attempts_max = 1;
    change(&mut settings);
    let mut store = S3Store::connect(settings).unwrap();
    let spy = Spy::default();
    store.s3 = aws_sdk_s3::Client::from_conf(store.s3.config().to_builder().interceptor(spy.clone()).build());
    let facts = PutFacts { crc64: 0xae8b_1486_0a79_9888, temperature: Temperature::Cold };
    store.put_object(&ObjectName::new("packs/x").unwrap(), b"123456789".as_slice().into(), &facts).unwrap_err();
    let headers = spy.0.lock().unwrap().clone();
    assert_eq!(headers["if-none-match"], "*");
    assert_eq!(headers["x-amz-storage-class"], class);
    assert_eq!(headers["content-length"], "9");
    for streamed in ["x-amz-trailer", "content-encoding", "transfer-encoding", "x-amz-decoded-content-length"] {
        assert!(!headers.contains_key(streamed), "{headers:?}");
    }
    headers
}

const SHA256: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";

#[test]
fn over_tls_the_checksum_is_signed_and_the_bytes_are_not() {
    for limit in [None, Some(Size(1 << 20))] {
        let sent = headers("DEEP_ARCHIVE", |s| s.limit_upload = limit);
        assert_eq!(sent["x-amz-checksum-crc64nvme"], "rosUhgp5mIg=");
        assert_eq!(sent["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert!(sent["authorization"].contains("x-amz-checksum-crc64nvme"), "{sent:?}");
        assert!(sent["authorization"].contains("x-amz-storage-class"), "{sent:?}");
        assert!(sent["authorization"].contains("if-none-match"), "{sent:?}");
    }
}

#[test]
fn in_the_open_the_bytes_are_signed() {
    for limit in [None, Some(Size(1 << 20))] {
        let sent = headers("DEEP_ARCHIVE", |s| {
            s.endpoint = Some("http://127.0.0.1:9".into());
            s.limit_upload = limit;
        });
        assert_eq!(sent["x-amz-content-sha256"], SHA256);
        assert_eq!(sent["x-amz-checksum-crc64nvme"], "rosUhgp5mIg=");
    }
}

#[test]
fn the_class_is_said_even_if_it_is_the_usual_one() {
    let sent = headers("STANDARD", |s| s.classes.cold = StorageClass::Standard);
    assert_eq!(sent["x-amz-checksum-crc64nvme"], "rosUhgp5mIg=");
}

#[test]
fn sha_256_goes_alone() {
    let sent = headers("DEEP_ARCHIVE", |s| s.checksum = Checksum::Sha256);
    assert_eq!(sent["x-amz-checksum-sha256"], "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    assert!(!sent.contains_key("x-amz-checksum-crc64nvme"), "{sent:?}");
}

#[test]
fn older_servers_get_a_content_md5_and_no_newer_header() {
    let sent = headers("DEEP_ARCHIVE", |s| s.checksums = When::Required);
    assert_eq!(sent["content-md5"], "JfnnlDI7RTiF9RgfG2JNCw==");
    assert_eq!(sent["x-amz-content-sha256"], SHA256);
    assert!(!sent.keys().any(|name| name.contains("checksum")), "{sent:?}");
}
