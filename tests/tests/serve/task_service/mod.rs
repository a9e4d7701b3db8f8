//! The example `task_service`, run as a program and asked by curl.

mod kit;
mod life;
mod many;
mod refusals;
mod restarts;
