//! HTTP responses.

/// The path of the metrics.
const METRICS: &str = "/metrics";
const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The maximum number of header lines.
const MAX_HEADERS: usize = 64;

/// Returns the text of all metrics.
pub type MetricsText = Box<dyn Fn() -> Vec<u8> + Send>;

/// The response to the data received so far; `None` while the request's head is not complete.
pub(super) fn respond(request: &[u8], metrics: &MetricsText) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) => {
            let path = parsed.path.unwrap_or_default();
            Some(to(parsed.method.unwrap_or_default(), path.split('?').next().unwrap_or(path), metrics))
        }
        Err(httparse::Error::TooManyHeaders) => Some(too_large()),
        Err(_) => Some(response("400 Bad Request", TEXT, "", b"invalid HTTP request\n", true)),
    }
}

/// The response to a request whose head is too large.
pub(super) fn too_large() -> Vec<u8> {
    response("431 Request Header Fields Too Large", TEXT, "", b"the request's head is too large\n", true)
}

fn to(method: &str, path: &str, metrics: &MetricsText) -> Vec<u8> {
    let body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => {
            let allow = "Allow: GET, HEAD\r\n";
            return response("405 Method Not Allowed", TEXT, allow, b"only GET and HEAD\n", true);
        }
    };
    match path {
        METRICS => response("200 OK", EXPOSITION, "", &metrics(), body),
        "/healthz" => response("200 OK", TEXT, "", b"ok\n", body),
        "/" => {
            let text = format!("handfast {}: the metrics are at {METRICS}\n", env!("CARGO_PKG_VERSION"));
            response("200 OK", TEXT, "", text.as_bytes(), body)
        }
        _ => response("404 Not Found", TEXT, "", b"not found; the metrics are at /metrics\n", body),
    }
}

fn response(status: &str, kind: &str, header: &str, body: &[u8], with_body: bool) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n"
    );
    let mut response = head.into_bytes();
    if with_body {
        response.extend_from_slice(body);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response_to(request: &str) -> Option<String> {
        let metrics: MetricsText = Box::new(|| b"page\n".to_vec());
        respond(request.as_bytes(), &metrics).map(|response| String::from_utf8(response).unwrap())
    }

    #[test]
    fn each_request_has_its_answer() {
        for (line, status, body) in [
            ("GET /metrics HTTP/1.1", "200 OK", "page\n"),
            ("GET /metrics?x=1 HTTP/1.0", "200 OK", "page\n"),
            ("HEAD /metrics HTTP/1.1", "200 OK", ""),
            ("GET /healthz HTTP/1.1", "200 OK", "ok\n"),
            ("GET / HTTP/1.1", "200 OK", "/metrics\n"),
            ("GET /metrics/ HTTP/1.1", "404 Not Found", "/metrics\n"),
            ("POST /metrics HTTP/1.1", "405 Method Not Allowed", "HEAD\n"),
            ("GET /metrics", "400 Bad Request", "request\n"),
            ("\u{1}\u{2}", "400 Bad Request", "request\n"),
        ] {
            let text = response_to(&format!("{line}\r\nHost: here\r\n\r\n")).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line:?}: {text}");
            assert!(
                text.ends_with(&format!("\r\n\r\n{body}")) || !body.is_empty() && text.ends_with(body),
                "{text}"
            );
        }
        assert!(response_to("HEAD /metrics HTTP/1.1\r\n\r\n").unwrap().contains("Content-Length: 5\r\n"));
    }

    #[test]
    fn half_a_head_waits_and_too_many_lines_do_not() {
        assert_eq!(response_to("GET /metrics HTTP/1.1\r\nHost: he"), None);
        let many = "a: b\r\n".repeat(MAX_HEADERS + 1);
        assert!(response_to(&format!("GET / HTTP/1.1\r\n{many}\r\n")).unwrap().contains(" 431 "));
    }
}
