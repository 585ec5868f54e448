//! Where the layers below have an object.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

use crate::error::{self, Kind, quote};
use crate::fs::Name;

/// The way to an object in a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// This name in the directory that is being looked in.
    Beside(Name),
    /// These names, one below the other, from the layer's root on.
    FromRoot(Vec<Name>),
}

/// A redirect with `..` in it would lead out of its layer; one that is no path leads nowhere.
#[derive(Debug, ThisError)]
#[error("an overlay's redirect to {}, which is no name and no path of names", quote(.0))]
pub(super) struct BadRedirect(Vec<u8>);

impl error::Refusal for BadRedirect {
    fn kind(&self) -> Kind {
        Kind::Malformed
    }
}

/// The way for the layers below, when `redirect` was read from the component `at` of the route that is being gone.
pub(super) fn redirected(route: &Route, at: usize, redirect: &[u8]) -> Result<Route, BadRedirect> {
    let bad = || BadRedirect(redirect.to_vec());
    let name = |bytes| Name::new(bytes).ok_or_else(bad);
    if let Some(path) = redirect.strip_prefix(b"/") {
        let mut names: Vec<Name> = path
            .split(|&byte| byte == b'/')
            .map(name)
            .collect::<Result<_, _>>()?;
        if let Route::FromRoot(old) = route {
            names.extend(old.iter().skip(at + 1).cloned());
        }
        return Ok(Route::FromRoot(names));
    }
    let name = name(redirect)?;
    Ok(match route {
        Route::Beside(_) => Route::Beside(name),
        Route::FromRoot(old) => {
            let mut names = old.clone();
            if let Some(place) = names.get_mut(at) {
                *place = name;
            }
            Route::FromRoot(names)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    fn path(names: &[&str]) -> Route {
        Route::FromRoot(names.iter().map(|text| name(text)).collect())
    }

    #[test]
    fn a_name_replaces_the_component_that_says_it() {
        let beside = Route::Beside(name("new"));
        assert_eq!(
            redirected(&beside, 0, b"old").unwrap(),
            Route::Beside(name("old"))
        );
        let route = path(&["a", "b", "c"]);
        assert_eq!(redirected(&route, 1, b"x").unwrap(), path(&["a", "x", "c"]));
    }

    #[test]
    fn a_path_replaces_all_down_to_the_component_that_says_it() {
        let beside = Route::Beside(name("new"));
        assert_eq!(redirected(&beside, 0, b"/p/q").unwrap(), path(&["p", "q"]));
        let route = path(&["a", "b", "c"]);
        assert_eq!(
            redirected(&route, 1, b"/p/q").unwrap(),
            path(&["p", "q", "c"])
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let beside = Route::Beside(name("new"));
        for bad in [
            &b""[..],
            b"..",
            b".",
            b"a/b",
            b"/",
            b"/a/../../etc",
            b"/a//b",
            b"/a/",
            b"a\0",
        ] {
            assert!(redirected(&beside, 0, bad).is_err(), "{}", quote(bad));
        }
    }
}
