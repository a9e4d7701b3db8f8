//! Disks that are full, and folders that cannot be written. Some tests mount a small disk, and are skipped where that
//! is not allowed.

use super::GOOD;
use rustix::process::geteuid;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tests::demo::{Place, Program};
use tests::faults::{After, FaultServer, Visit};

/// A separate disk in memory for the output folder. Unmounted when dropped.
struct Disk {
    mount: Program,
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk of this size at `download`, if that is allowed here.
    fn mount(place: &Place, size: &str) -> Option<Disk> {
        let mount = Program::find("mount").filter(|_| Program::find("umount").is_some())?;
        if !geteuid().is_root() {
            println!("skipped: only root may mount a small disk");
            return None;
        }
        let folder = place.path("download");
        fs::create_dir(&folder).unwrap();
        let mut command = mount.command();
        let mounted =
            command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder).output().unwrap();
        if !mounted.status.success() {
            println!("skipped: mounting a small disk is not allowed here");
            return None;
        }
        Some(Disk { mount, folder })
    }

    /// Changes its size.
    #[track_caller]
    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(self.mount.command().args(["-o", &options]).arg(&self.folder).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}

#[test]
fn a_full_disk_ends_the_crawl_and_is_named() {
    let place = Place::new();
    let Some(_disk) = Disk::mount(&place, "200k") else { return };
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/small", "/large", "/after"]),
        "/large" => visit.page("x".repeat(1_000_000)),
        _ => visit.page(GOOD),
    });
    let ran = place.crawl(&[&server.url("/"), "-j", "1"]).exits(1);
    ran.says("cannot save under download").says("No space left").says("-P");
    assert_eq!(place.names(), ["index.html", "small"], "what was complete stays, what was not is gone");
    assert_eq!(server.hits("/after"), 0, "nothing new is begun on a full disk");
    place.report().of("/small").is_saved();
    place.has_no_parts();
}

/// A file of 1 MB with a validator, of which the server sends the requested range.
fn file(visit: &mut Visit<'_>) -> After {
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let first = visit.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match first {
        None => visit.answer("200 OK", "ETag: \"a\"\r\n", body),
        Some(first) => {
            let first: usize = first;
            let range = format!("ETag: \"a\"\r\nContent-Range: bytes {first}-999999/1000000\r\n");
            visit.answer("206 Partial Content", &range, &body[first..])
        }
    }
}

#[test]
fn a_part_that_can_be_resumed_survives_a_full_disk() {
    let (place, server) = (Place::new(), FaultServer::start(file));
    let Some(disk) = Disk::mount(&place, "700k") else { return };
    let args = ["download", "-P", "download", "-c", &server.url("/file")];
    place.run(&args).exits(1).says("cannot save under download").says("No space left");
    let there = place.parts().into_values().next().expect("the part is kept");
    assert!((256 * 1024..700 * 1024).contains(&there), "{there} bytes");
    assert_eq!(place.files().keys().filter(|name| !name.starts_with(".parts")).count(), 0, "no half file has a name");
    disk.resize("2m");
    place.run(&args).exits(0);
    let saved = fs::read(place.path("download/file")).unwrap();
    assert!(
        saved.len() == 1_000_000
            && (0..1_000_000_u32).all(|n| saved[n as usize] == (n.wrapping_mul(2_654_435_761) >> 13) as u8)
    );
    assert_eq!(server.requests().len(), 2);
    place.has_no_parts();
}

/// The directory of a page needs space too, and so does its name.
#[test]
fn a_disk_without_room_for_a_name_ends_the_crawl_and_is_named() {
    let place = Place::new();
    let Some(mount) = Disk::mount(&place, "2m,nr_inodes=12") else { return };
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..12).map(|n| format!("/{n}/page.html"))),
        _ => visit.page(GOOD),
    });
    let ran = place.crawl(&[&server.url("/"), "-j", "2"]).exits(1);
    ran.says("cannot save under download").says("No space left");
    for (name, bytes) in place.files().iter().filter(|(name, _)| name.ends_with("page.html")) {
        assert_eq!(bytes, GOOD.as_bytes(), "{name}");
    }
    drop(mount);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_is_fetched() {
    let server = FaultServer::start(|visit| visit.page(GOOD));
    let place = Place::new();
    let ran = place.crawl(&[&server.url("/"), "-P", "/proc/x"]).exits(1);
    ran.says("cannot save under /proc/x").says("-P");
    fs::write(place.path("file"), "").unwrap();
    place.crawl(&[&server.url("/"), "-P", "file"]).exits(1).says("cannot save under file");
    assert_eq!(server.requests().len(), 0);
}
