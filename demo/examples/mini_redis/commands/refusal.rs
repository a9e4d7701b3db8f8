//! Why a command was not carried out, in the words of Redis.

use crate::resp::Args;
use std::borrow::Cow;

/// The reply after its `-`. Bytes, because it may quote the client.
pub struct Refusal(pub Cow<'static, [u8]>);

impl Refusal {
    pub const SYNTAX: Refusal = Refusal::of("ERR syntax error");
    pub const NOT_AN_INTEGER: Refusal = Refusal::of("ERR value is not an integer or out of range");

    /// A constant refusal.
    pub const fn of(text: &'static str) -> Refusal {
        Refusal(Cow::Borrowed(text.as_bytes()))
    }

    pub fn arity(name: &str) -> Refusal {
        Refusal::showing("ERR wrong number of arguments for '", name.as_bytes(), "' command")
    }

    pub fn expire_time(name: &str) -> Refusal {
        Refusal::showing("ERR invalid expire time in '", name.as_bytes(), "' command")
    }

    /// A subscriber may not call this.
    pub fn subscribed(name: &str) -> Refusal {
        let may = "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
        Refusal::showing("ERR Can't execute '", name.as_bytes(), may)
    }

    /// Quotes no more than Redis does: 128 bytes of the name and about as many of the arguments.
    #[cold]
    pub fn unknown(name: &[u8], args: Args<'_>) -> Refusal {
        const SHOWN: usize = 128;
        let mut after = b"', with args beginning with: ".to_vec();
        let mut left = SHOWN;
        for arg in args.from(1) {
            let shown = &arg[..arg.len().min(left)];
            after.extend([b"'", shown, b"' "].concat());
            left = left.saturating_sub(shown.len() + 3);
            if left == 0 {
                break;
            }
        }
        let name = &name[..name.len().min(SHOWN)];
        Refusal([b"ERR unknown command '", name, &after].concat().into())
    }

    pub fn unknown_sub(of: &str, name: &[u8]) -> Refusal {
        Refusal::showing("ERR unknown subcommand '", name, &format!("'. Try {of} HELP."))
    }

    pub fn showing(before: &str, sent: &[u8], after: &str) -> Refusal {
        Refusal([before.as_bytes(), sent, after.as_bytes()].concat().into())
    }
}
