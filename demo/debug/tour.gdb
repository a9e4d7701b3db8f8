# The tour of the runtime, at the top of the workspace:
#
#     cargo build -p executor --example tour
#     rust-gdb -x demo/debug/tour.gdb --args target/debug/examples/tour
#
# and then `continue` from stop to stop; or all at once, with `-batch` and `-ex rest`.

set pagination off
set width 0
set print pretty on
set print thread-events off
python import sys; sys.path.insert(0, "demo/debug"); sys.dont_write_bytecode = True
python import printers; printers.check_types(); import tour
run
