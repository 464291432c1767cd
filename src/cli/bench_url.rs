//! What `bench` opens connections to, as it is asked for: an address or a name with ports, or a URL.

use std::str::FromStr;

use super::bench_target::TargetArg;

/// `HOST:PORT[-PORT]`, or `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub target: TargetArg,
    /// What a URL requests, with its query.
    pub path: Option<String>,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Endpoint { target: text.parse()?, path: None });
        };
        if scheme.eq_ignore_ascii_case("https") {
            return Err("TLS is not implemented: for handshakes and closes without it, write HOST:443".into());
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(format!("invalid scheme `{scheme}`: write http://HOST[:PORT][/PATH], or HOST:PORT"));
        }
        // A fragment stays with the client (RFC 9110 7.1).
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(format!(
                "user names and passwords are not sent: leave out what is before @ in `{text}`"
            ));
        }
        // In a URL the % of a zone is written %25 (RFC 6874).
        let authority = authority.replace("%25", "%");
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let whole = if has_port { authority } else { format!("{authority}:{HTTP}") };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Endpoint { target: whole.parse()?, path: Some(request_path(&path)?) })
    }
}

/// The port of the scheme.
const HTTP: u16 = 80;

impl Endpoint {
    /// The Host field of a request: without the port where it is the scheme's (RFC 9110 7.2, 4.2.3).
    pub(super) fn host(&self) -> String {
        let authority = self.target.authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if port == HTTP.to_string() => host.to_owned(),
            _ => authority,
        }
    }
}

/// What may stand in a request line.
pub(super) fn request_path(text: &str) -> Result<String, String> {
    match text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "invalid path `{}`: it begins with /, and blanks and letters beyond ASCII are written as in %20",
            text.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_target_with_a_request() {
        for (text, target, host, path) in [
            ("http://10.0.0.1:8080/path", "10.0.0.1:8080", "10.0.0.1:8080", "/path"),
            ("http://10.0.0.1", "10.0.0.1:80", "10.0.0.1", "/"),
            ("HTTP://10.0.0.1:80/a?b=c#d", "10.0.0.1:80", "10.0.0.1", "/a?b=c"),
            ("http://10.0.0.1?q", "10.0.0.1:80", "10.0.0.1", "/?q"),
            ("http://[2001:db8::1]/x", "[2001:db8::1]:80", "[2001:db8::1]", "/x"),
            ("http://[2001:db8::1]:81/a:b", "[2001:db8::1]:81", "[2001:db8::1]:81", "/a:b"),
            ("http://[fe80::1%25eth0]/", "[fe80::1%eth0]:80", "[fe80::1]", "/"),
            ("http://example.org/index.html", "example.org:80", "example.org", "/index.html"),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.target, target.parse().expect(target), "{text}");
            assert_eq!((endpoint.host().as_str(), endpoint.path.as_deref()), (host, Some(path)), "{text}");
        }
        let plain: Endpoint = "10.0.0.1:80-90".parse().expect("a target");
        assert_eq!((plain.host().as_str(), plain.path), ("10.0.0.1:80-90", None));
    }

    #[test]
    fn what_is_no_target_says_what_would_be() {
        for (text, part) in [
            ("https://10.0.0.1/", "TLS is not implemented"),
            ("ftp://10.0.0.1/", "write http://"),
            ("http://", "no address"),
            ("http:///path", "no address"),
            ("http://u:p@10.0.0.1/", "before @"),
            ("http://10.0.0.1:0/", "port 0"),
            ("http://10.0.0.1/a b", "invalid path"),
            ("http://10.0.0.1/ä", "%20"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
