/// The first items, and the number of the others.
pub(super) fn abbreviated<T: ToString>(items: impl ExactSizeIterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let more = items.len().saturating_sub(SHOWN);
    let mut names: Vec<String> = items.take(SHOWN).map(|item| item.to_string()).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}
