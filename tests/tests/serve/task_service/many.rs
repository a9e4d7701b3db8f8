//! Many jobs at once, and many on one connection.

use super::kit::{Service, id};
use std::fs;
use tests::demo::Running;
use tests::eventually;

#[test]
fn a_connection_is_kept_for_one_job_after_the_other() {
    let Some(service) = Service::start() else { return };
    let args = ["-d", r#"{"seconds": 0}"#, "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
    let urls = service.serving.url("/task#[1-20]");
    let said = Running::start(service.curl(&args).arg(urls)).wait().exits(0).stdout;
    assert_eq!(said, format!("201 1\n{}", "201 0\n".repeat(19)));
}

#[test]
fn a_hundred_jobs_at_once_are_all_done() {
    let Some(service) = Service::start() else { return };
    let args = ["-Z", "--parallel-immediate", "--parallel-max", "100", "-d", r#"{"seconds": 1}"#, "-o", "job-#1"];
    Running::start(service.curl(&args).arg(service.serving.url("/task#[1-100]"))).wait().exits(0);
    let answered = (1..=100).map(|n| fs::read_to_string(service.place.path(&format!("job-{n}"))).unwrap());
    let mut ids: Vec<u64> = answered.map(|text| id(&serde_json::from_str(&text).unwrap())).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    eventually("all are done", || service.list("/task?status=done").len() == 100);
    assert!(service.list("/task").iter().all(|job| job["percentage"] == 100));
}
