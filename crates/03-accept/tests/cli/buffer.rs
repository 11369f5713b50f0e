//! What a server says of a buffer that it cannot have. Every step that has `--buffer` is held to these words.

use super::server::{program, refuses};

#[test]
fn a_buffer_of_no_size_is_wrong_usage() {
    for size in ["0", "1048577"] {
        let words = format!(
            "error: invalid value '{size}' for '--buffer <BYTES>': {size} is not in 1..=1048576\n\n\
             For more information, try '--help'.\n"
        );
        refuses(program(), &["--buffer", size], 2, &words);
    }
}
