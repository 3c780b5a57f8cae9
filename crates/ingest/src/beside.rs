//! What belongs together stays together: companions beside their photograph, structures whole.

use std::collections::BTreeMap;

use darkslide_words::Name;

use crate::copier::{Bench, Outcome, There, suffixed};
use crate::plan::{Item, join};
use crate::template::split_name;

/// Structures of one name.
const TREES_MAX: u32 = 9_998;

/// Where a photograph is in a target.
#[derive(Debug, Clone)]
struct Anchor {
    name: Name,
    /// True if this run brought it.
    new: bool,
}

/// What decides where a card's next file goes, and which copies of it count, target by target.
pub(crate) struct Around {
    /// Of the photograph that was brought last: its path on the card, and where it is.
    photograph: Option<(Name, Vec<Option<Anchor>>)>,
    /// Which number each structure's folder has.
    trees: Vec<BTreeMap<Name, u32>>,
}

impl Around {
    /// Finds a folder in each target for each structure of a card: one that no other card has
    /// taken, and in which no file of another size is in the way of any of its files. A run that
    /// was cut off finds its own again.
    pub(crate) fn new(bench: &Bench<'_>, items: &[Item]) -> Self {
        let mut structures: BTreeMap<Name, Vec<&Item>> = BTreeMap::new();
        for item in items {
            if let Some(tree) = &item.tree {
                structures.entry(join(&item.folder, tree)).or_default().push(item);
            }
        }
        let free = |n: usize, tree: &Name, items: &[&Item]| {
            let mut target = bench.target(n);
            let is_free = |attempt: &u32| {
                let folder = numbered(tree, *attempt);
                !target.trees.contains(&folder)
                    && items.iter().all(|item| {
                        let there = bench.disk.stat(&target.shelf.path(&suffixed(item, &item.target(), *attempt)));
                        there.map_or(true, |stat| stat.size == item.stat.size)
                    })
            };
            let attempt = (0..TREES_MAX).find(is_free).unwrap_or(TREES_MAX);
            target.trees.insert(numbered(tree, attempt));
            attempt
        };
        let trees = (0..bench.targets.len())
            .map(|n| structures.iter().map(|(tree, items)| (tree.clone(), free(n, tree, items))).collect())
            .collect();
        Self { photograph: None, trees }
    }

    /// Remembers where a photograph is, for its companions.
    pub(crate) fn take(&mut self, item: &Item, outcome: &Outcome) {
        if item.tree.is_some() || item.with.is_some() {
            return;
        }
        let anchor = |there: &There| match there {
            There::Copied(name) => Some(Anchor { name: name.clone(), new: true }),
            There::Present(name) => Some(Anchor { name: name.clone(), new: false }),
            There::Failed(_) => None,
        };
        self.photograph = Some((item.path.clone(), outcome.there.iter().map(anchor).collect()));
    }

    fn anchor(&self, n: usize, item: &Item) -> Option<&Anchor> {
        let (original, anchors) = self.photograph.as_ref()?;
        anchors.get(n)?.as_ref().filter(|_| item.with.as_ref().is_some_and(|with| with.original == *original))
    }

    /// The name that a file should get, and the first number to try.
    pub(crate) fn wanted(&self, n: usize, item: &Item) -> (Name, u32) {
        let first = item.tree.as_ref().and_then(|tree| self.trees.get(n)?.get(&join(&item.folder, tree)).copied());
        let beside = self.anchor(n, item).zip(item.with.as_ref()).and_then(|(anchor, with)| {
            // Under the planned name where its photograph is, too.
            (with.planned != anchor.name).then(|| item.beside(with, &anchor.name))
        });
        (beside.unwrap_or_else(|| item.target()), first.unwrap_or(0))
    }

    /// True if this name's content makes the file one that is there already.
    pub(crate) fn counts(&self, n: usize, item: &Item, name: &Name) -> bool {
        if item.tree.is_some() {
            // A clip belongs to its structure.
            return ends_with(name, &item.path);
        }
        let named = || {
            let file = name.file_name();
            file.eq_ignore_ascii_case(item.path.file_name()) || file == item.below.file_name()
        };
        match &item.with {
            Some(with) if !with.twin => match self.anchor(n, item) {
                Some(anchor) => goes_with(name, &anchor.name) || !anchor.new && named(),
                None => named(),
            },
            // Nothing is in it that could be found again.
            _ => item.stat.size > 0 || named(),
        }
    }
}

/// True if a path is another's end, name by name.
fn ends_with(path: &Name, end: &Name) -> bool {
    let rest = path.as_bytes().strip_suffix(end.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
}

/// True if a file lies in a photograph's folder and bears its name: `IMG_1.CR3.xmp` beside `IMG_1.CR3`.
fn goes_with(name: &Name, photograph: &Name) -> bool {
    let folder = |path: &Name| crate::plan::parent(path);
    let file = Name::new(photograph.file_name());
    let stem = split_name(&file).0;
    let head = name.file_name().get(..stem.len());
    let next = name.file_name().get(stem.len());
    folder(name) == folder(photograph)
        && head.is_some_and(|head| head.eq_ignore_ascii_case(stem))
        && next.is_none_or(|next| !next.is_ascii_alphanumeric())
}

/// A structure's folder, or the n-th other one.
fn numbered(tree: &Name, attempt: u32) -> Name {
    match attempt {
        0 => tree.clone(),
        n => Name::new([tree.as_bytes(), format!("-{}", n + 1).as_bytes()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_bear_their_photographs_name() {
        let goes = |name: &str, photograph: &str| goes_with(&name.into(), &photograph.into());
        assert!(goes("a/IMG_1.xmp", "a/IMG_1.CR3") && goes("a/img_1.CR3.xmp", "a/IMG_1.CR3"));
        assert!(goes("a/IMG_1-2.xmp", "a/IMG_1-2.CR3"));
        assert!(!goes("b/IMG_1.xmp", "a/IMG_1.CR3") && !goes("a/IMG_10.xmp", "a/IMG_1.CR3"));
        assert!(ends_with(&"x/card/A/B".into(), &"A/B".into()) && !ends_with(&"x/cardA/B".into(), &"A/B".into()));
    }
}
