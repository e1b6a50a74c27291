//! The query of a signed call, read once.

use crate::model::error::Rejection;
use crate::model::limits::QUERY_MAX_BYTES;

/// A decoded query: keys in lower case, sorted by them, each once.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads what stands after `?`. The values of a list, `k[]=a&k[]=b` or `k[0]=a&k[1]=b`, are the one
    /// value `a,b` of `k`: PHP's SDK writes lists so, and signs them so.
    ///
    /// # Errors
    /// [`Rejection::QueryTooLong`], [`Rejection::QueryDuplicate`].
    pub fn parse(query: &str) -> Result<Self, Rejection> {
        if query.len() > QUERY_MAX_BYTES {
            return Err(Rejection::QueryTooLong);
        }
        let mut written: Vec<(String, bool, String)> = form_urlencoded::parse(query.as_bytes())
            .map(|(key, value)| {
                let key = key.to_ascii_lowercase();
                let (key, in_list) = match list_name(&key) {
                    Some(name) => (name.to_owned(), true),
                    None => (key, false),
                };
                (key, in_list, value.into_owned())
            })
            .collect();
        // Stable: the values of a list stay in their order.
        written.sort_by(|one, other| one.0.cmp(&other.0));
        let mut parameters: Vec<(String, String)> = Vec::with_capacity(written.len());
        let mut last_in_list = false;
        for (key, in_list, value) in written {
            match parameters.last_mut() {
                Some((last, values)) if *last == key => {
                    if !(in_list && last_in_list) {
                        return Err(Rejection::QueryDuplicate(key.chars().take(64).collect()));
                    }
                    values.push(',');
                    values.push_str(&value);
                }
                Some(_) | None => parameters.push((key, value)),
            }
            last_in_list = in_list;
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, by its name in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All parameters, sorted.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// `k` of `k[]` and of `k[7]`.
fn list_name(key: &str) -> Option<&str> {
    let (name, index) = key.strip_suffix(']')?.split_once('[')?;
    let is_index = index.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && is_index).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Vec<(String, String)> {
        Parameters::parse(query).expect(query).0
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn parameters_are_decoded_and_sorted_and_each_is_there_once() {
        assert_eq!(read(""), []);
        assert_eq!(
            read("B=%C3%A9+x&a=1"),
            pairs(&[("a", "1"), ("b", "\u{e9} x")])
        );
        assert_eq!(
            Parameters::parse("a=1&b=2&A=1"),
            Err(Rejection::QueryDuplicate("a".to_owned()))
        );
        assert_eq!(
            Parameters::parse(&"a".repeat(QUERY_MAX_BYTES + 1)),
            Err(Rejection::QueryTooLong)
        );
    }

    #[test]
    fn a_list_is_one_value_however_it_is_numbered() {
        let info = pairs(&[("info", "user_count,cache"), ("k", "")]);
        assert_eq!(read("info[]=user_count&k=&info[]=cache"), info);
        assert_eq!(read("info%5B0%5D=user_count&info%5B1%5D=cache&k"), info);
        for not_a_list in ["[]=1", "a]=1", "a[b]=1", "a[]x=1"] {
            assert_eq!(read(not_a_list).len(), 1);
            assert!(read(not_a_list)[0].0.contains(']'), "{not_a_list}");
        }
        for query in ["a=1&a[]=2", "a[]=1&a=2", "a[]=1&a[]=2&A=3"] {
            assert!(Parameters::parse(query).is_err(), "{query}");
        }
    }
}
