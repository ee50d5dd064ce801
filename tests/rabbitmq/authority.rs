//! An authority of the tests' own, and the certificates it issues.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    /// Writes `ca.pem` into a folder.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join("ca.pem"), self.issuer.pem()).unwrap();
    }

    /// Writes a broker's `server.pem` and `server.key`.
    pub(crate) fn issue_server(&self, folder: &Path, host: &str, until: i32) {
        self.issue(folder, "server", host, until, ExtendedKeyUsagePurpose::ServerAuth);
    }

    /// Writes `<user>.pem` and `<user>.key`.
    pub(crate) fn issue_client(&self, folder: &Path, user: &str, until: i32) {
        self.issue(folder, user, user, until, ExtendedKeyUsagePurpose::ClientAuth);
    }

    /// A certificate that is good until the end of a year.
    fn issue(&self, folder: &Path, file: &str, name: &str, until: i32, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}
