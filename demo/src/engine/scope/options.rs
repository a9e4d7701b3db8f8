//! The options of the scope: which links are followed.

use crate::engine::values::depth;
use clap::Args;
use regex::Regex;

const DEFAULT_DEPTH: &str = "8";

/// The options of the scope: which links are followed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Scope")]
pub struct ScopeOptions {
    /// Maximum link depth, or `inf`
    #[arg(short = 'l', long, value_name = "N", default_value = DEFAULT_DEPTH, value_parser = depth)]
    pub depth: u32,
    /// Stay within the directory of the URL
    #[arg(long)]
    pub no_parent: bool,
    /// Follow links to other hosts too
    #[arg(long)]
    pub span_hosts: bool,
    /// Follow only links whose URL matches REGEX (repeatable; one match is enough)
    #[arg(long, value_name = "REGEX")]
    pub include: Vec<Regex>,
    /// Skip links whose URL matches REGEX (repeatable)
    #[arg(long, value_name = "REGEX")]
    pub exclude: Vec<Regex>,
    /// Fetch the images, styles and scripts of each page, even beyond --depth and from other hosts
    #[arg(short = 'p', long)]
    pub page_requisites: bool,
    /// Also fetch the pages listed in sitemaps (those named in robots.txt, and /sitemap.xml)
    #[arg(long)]
    pub sitemaps: bool,
    /// Remove pages that name another saved page as their canonical URL
    #[arg(long, hide_short_help = true)]
    pub canonical: bool,
    /// Follow links marked nofollow
    #[arg(long, hide_short_help = true)]
    pub follow_nofollow: bool,
    /// Save only responses of this media type, such as image/* (repeatable), and those that can contain links
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub accept_type: Vec<String>,
    /// Maximum number of pages to fetch in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pages: Option<u64>,
}

impl Default for ScopeOptions {
    /// All links within the servers of the first pages.
    fn default() -> ScopeOptions {
        ScopeOptions {
            depth: u32::MAX,
            no_parent: false,
            span_hosts: false,
            include: Vec::new(),
            exclude: Vec::new(),
            page_requisites: false,
            sitemaps: false,
            canonical: false,
            follow_nofollow: false,
            accept_type: Vec::new(),
            max_pages: None,
        }
    }
}

impl ScopeOptions {
    /// The options as they are written on a command line, without those that have their default value. The limit on
    /// pages is left out, because it does not say which pages belong to the crawl.
    pub fn arguments(&self) -> Vec<String> {
        let ScopeOptions {
            depth,
            no_parent,
            span_hosts,
            include,
            exclude,
            page_requisites,
            sitemaps,
            canonical,
            follow_nofollow,
            accept_type,
            max_pages: _,
        } = self;
        let depth = if *depth == u32::MAX { "inf".to_owned() } else { depth.to_string() };
        let mut arguments = Vec::new();
        arguments.extend((depth != DEFAULT_DEPTH).then(|| format!("--depth={depth}")));
        for (is_given, name) in [
            (no_parent, "--no-parent"),
            (span_hosts, "--span-hosts"),
            (page_requisites, "--page-requisites"),
            (sitemaps, "--sitemaps"),
            (canonical, "--canonical"),
            (follow_nofollow, "--follow-nofollow"),
        ] {
            arguments.extend(is_given.then(|| name.to_owned()));
        }
        arguments.extend(include.iter().map(|regex| format!("--include={regex}")));
        arguments.extend(exclude.iter().map(|regex| format!("--exclude={regex}")));
        arguments.extend(accept_type.iter().map(|name| format!("--accept-type={name}")));
        arguments
    }
}

fn media_type(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() && !text.contains([';', ' ', ',']) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err("write it as image/png or image/*; repeat the option for several".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Cli {
        #[command(flatten)]
        scope: ScopeOptions,
    }

    #[test]
    fn the_options_are_written_so_that_they_can_be_read_again() {
        let parse = |args: &[String]| Cli::try_parse_from(args).unwrap().scope;
        for given in [
            "",
            "-l 3",
            "-l inf",
            "-l 0 --no-parent --span-hosts -p --follow-nofollow",
            "--include=-x --include=[,=] --exclude=--exclude= --accept-type image/* --accept-type text/css",
        ] {
            let given: Vec<_> = given.split_whitespace().map(str::to_owned).collect();
            let scope = parse(&given);
            let arguments = scope.arguments();
            assert_eq!(format!("{:?}", parse(&arguments)), format!("{scope:?}"), "{given:?} as {arguments:?}");
            assert_eq!(arguments.is_empty(), given.is_empty());
        }
        assert!(parse(&["--depth=8".to_owned(), "--max-pages=3".to_owned()]).arguments().is_empty());
    }
}
