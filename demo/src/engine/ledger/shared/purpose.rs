//! The purpose of a page as one letter, before its URL. Used where pages are sent to Redis and received from it.

use crate::engine::frontier::Purpose;
use url::Url;

const LETTERS: [(Purpose, char); 4] =
    [(Purpose::Page, 'p'), (Purpose::Requisite, 'r'), (Purpose::Sitemap, 's'), (Purpose::Guess, 'g')];

/// A URL after the letter of its purpose.
pub fn written(purpose: Purpose, url: &Url) -> String {
    let letter = LETTERS.iter().find(|(known, _)| *known == purpose).map_or('p', |(_, letter)| *letter);
    format!("{letter}{url}")
}

/// The purpose with this letter.
pub fn read(letter: &str) -> Purpose {
    LETTERS.iter().find(|(_, known)| letter.starts_with(*known)).map_or(Purpose::Page, |(purpose, _)| *purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_is_read_as_it_was_written() {
        let url = Url::parse("http://h/").unwrap();
        for purpose in [Purpose::Page, Purpose::Requisite, Purpose::Sitemap, Purpose::Guess] {
            let text = written(purpose, &url);
            assert_eq!((read(&text), &text[1..]), (purpose, "http://h/"));
        }
    }
}
