/// Declares an enum whose variants have a name in reports and one sentence, each on one line: the
/// variants, the list of all, `name`, `describe`, and the variant's index in the list.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        $enum:ident, $(#[$list_meta:meta])* $list:ident;
        $($variant:ident, $name:literal, $doc:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $enum { $(#[doc = $doc] $variant,)* }

        $(#[$list_meta])*
        pub const $list: [$enum; [$($name),*].len()] = [$($enum::$variant,)*];

        impl $enum {
            /// The name in reports: stable.
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => $name,)* }
            }

            /// One sentence for the operator.
            pub const fn describe(self) -> &'static str {
                match self { $($enum::$variant => $doc,)* }
            }
        }
    };
}
pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    use crate::observe::{CLOSED, DROP_REASONS, STAGES};
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_snake_case() {
        let lists = [CLOSED.map(|how| how.name()).to_vec(), STAGES.map(|stage| stage.name()).to_vec()];
        for list in lists.into_iter().chain([DROP_REASONS.map(|reason| reason.name()).to_vec()]) {
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
            let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
            assert!(list.iter().all(|name| name.chars().all(plain)), "{list:?}");
        }
    }

    #[test]
    fn a_variant_is_the_index_of_itself() {
        assert!(CLOSED.iter().enumerate().all(|(index, how)| *how as usize == index));
        assert!(STAGES.iter().enumerate().all(|(index, stage)| *stage as usize == index));
        assert!(DROP_REASONS.iter().enumerate().all(|(index, reason)| *reason as usize == index));
    }
}
