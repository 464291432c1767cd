//! Whether the terminal takes UTF-8.

use std::env;
use std::sync::OnceLock;

/// By the locale, whose variables count in this order (locale(7)).
pub(super) fn is_utf8() -> bool {
    static IS_UTF8: OnceLock<bool> = OnceLock::new();
    *IS_UTF8.get_or_init(|| {
        let variable = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        takes_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(variable))
    })
}

/// None set: what runs in a container or below a service manager, where terminals have UTF-8 all the same.
fn takes_utf8(variables: [Option<String>; 3]) -> bool {
    let set = variables.into_iter().flatten().find(|value| !value.is_empty());
    set.is_none_or(|locale| {
        let charset = locale.split_once('.').map_or("", |(_, charset)| charset);
        let charset = charset.split('@').next().unwrap_or_default().replace('-', "");
        charset.eq_ignore_ascii_case("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::takes_utf8;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        for (all, ctype, lang, utf8) in [
            ("", "", "", true),
            ("C", "", "en_US.UTF-8", false),
            ("POSIX", "C.UTF-8", "C.UTF-8", false),
            ("C.UTF-8", "C", "C", true),
            ("", "C", "en_US.UTF-8", false),
            ("", "de_DE.utf8", "C", true),
            ("", "", "C", false),
            ("", "", "en_US", false),
            ("", "", "de_DE.ISO-8859-1", false),
            ("", "", "de_DE.UTF-8@euro", true),
            ("", "", "de_DE@euro", false),
        ] {
            let set = [all, ctype, lang].map(|value| Some(value.to_owned()));
            assert_eq!(takes_utf8(set), utf8, "LC_ALL={all} LC_CTYPE={ctype} LANG={lang}");
        }
        assert!(takes_utf8([None, None, None]));
        assert!(!takes_utf8([None, None, Some("C".into())]));
    }
}
