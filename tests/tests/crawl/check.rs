//! `demo check`: broken links with the pages that contain them, broken anchors, links to other hosts.

use tests::demo::Place;
use tests::faults::FaultServer;

/// A site with a broken link on two pages, and links to anchors.
fn site() -> FaultServer {
    FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.page(
            "<a href=/a>a</a><a href=/gone>g</a><a href='/a#here'>h</a><a href='/a#missing'>m</a><img src=/i.png>",
        ),
        "/a" => {
            visit.page("<p id=here><a name='ü'></a><a href='#%C3%BC'>ü</a><a href='#top'>t</a><a href=/gone#x>g</a>")
        }
        "/i.png" => visit.answer("200 OK", "Content-Type: image/png\r\n", "not searched: <a href=/never>"),
        _ => visit.answer("404 Not Found", "", "no"),
    })
}

#[test]
fn broken_links_and_anchors_are_printed_with_their_pages_and_nothing_is_saved() {
    let (place, site) = (Place::new(), site());
    let ran = place.run(&["check", &site.url("/")]).exits(3);
    let (gone, start, a) = (site.url("/gone"), site.url("/"), site.url("/a"));
    ran.says("1 broken link:")
        .says(&format!("[404] {gone} ← {start}, {a}"))
        .says("1 broken anchor:")
        .says(&format!("{a}#missing ← {start}"));
    assert_eq!((site.hits("/i.png"), site.hits("/never"), site.hits("/gone")), (1, 0, 1));
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
    place.run(&["check", "--no-anchors", "--exclude", "gone", &site.url("/")]).exits(0).says("1 match --exclude");
}

#[test]
fn the_help_hides_the_options_about_saved_files() {
    let help = Place::new().run(&["check", "--help"]).exits(0).stdout;
    for option in ["directory-prefix", "continue", "timestamping", "use-server-timestamps", "checksum", "accept-type"] {
        assert!(!help.contains(&format!("-{option}")), "{option} is shown:\n{help}");
    }
}

#[test]
fn links_to_other_hosts_are_requested_once_and_their_links_are_not() {
    let other = FaultServer::start(|visit| match visit.path.as_str() {
        "/there" => visit.page("<a href=/further>f</a>"),
        _ => visit.answer("410 Gone", "", "no"),
    });
    let (there, gone) = (other.url("/there#anything"), other.url("/gone"));
    let nobody = format!("http://127.0.0.1:{}/x", tests::demo::free_port());
    let page = format!("<a href={there}>1</a><a href={gone}>2</a><a href={nobody}>3</a>");
    let site = FaultServer::start(move |visit| visit.page(&page));
    let ran = Place::new().run(&["check", "--retries", "0", &site.url("/")]).exits(3);
    ran.says("2 broken links:").says(&format!("[410] {gone}")).says(&format!("[connect] {nobody}"));
    assert_eq!((other.hits("/there"), other.hits("/further")), (1, 0));
    Place::new().run(&["check", "--no-external", &site.url("/")]).exits(0).says("3 lead to other hosts");
}

#[test]
fn options_about_saved_files_do_not_apply() {
    let site = FaultServer::start(|visit| visit.page("a page"));
    let sum = format!("sha256:{}", "0".repeat(64));
    Place::new().run(&["check", "-c", "-N", "--checksum", &sum, &site.url("/")]).exits(0);
}

#[test]
fn the_result_as_json_names_every_page() {
    let (place, site) = (Place::new(), site());
    let ran = place.run(&["check", "--format", "json", &site.url("/")]).exits(3);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["failures"][0]["pages"].as_array().map(Vec::len), Some(2));
    assert_eq!(result["broken_anchors"][0]["url"], format!("{}#missing", site.url("/a")));
}
