//! Arguments of `photos` and `previews`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use darkslide_engine::PhotographState;

use super::{Identity, Json};

#[derive(Debug, Args)]
pub struct Photos {
    /// With this in path or name
    pub text: Option<String>,
    /// Taken from then on: 2024, 2024-05 or 2024-05-31
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Taken until the end of that year, month or day
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// With this camera (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub camera: Vec<String>,
    /// With this lens (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub lens: Vec<String>,
    /// raw, picture or video (may be given several times)
    #[arg(long, value_name = "KIND", value_parser = ["raw", "picture", "video"])]
    pub kind: Vec<String>,
    /// With this end of the name, such as cr3 (may be given several times)
    #[arg(long = "type", value_name = "EXT")]
    pub types: Vec<String>,
    /// With at least so many stars
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i8).range(-1..=5), allow_negative_numbers = true)]
    pub stars: Option<i8>,
    /// In this folder of the library, or below
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<String>,
    /// readable, warm, thawing, cold or nowhere
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<PhotographState>,
    /// Only those of which it is known where they were taken
    #[arg(long)]
    pub placed: bool,
    /// Taken within this area: west, south, east and north in degrees, such as 16.2,48.1,16.5,48.3
    #[arg(long, value_name = "AREA", allow_hyphen_values = true)]
    pub area: Option<String>,
    /// Where they were taken, counted by cells of so many degrees, instead of a list
    #[arg(long, value_name = "DEGREES", conflicts_with_all = ["count", "facets", "detail"])]
    pub cells: Option<f64>,
    /// Of this job's library
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// The first taken first
    #[arg(long)]
    pub oldest_first: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Go on where a page ended: its `next`
    #[arg(long, value_name = "NEXT", allow_hyphen_values = true)]
    pub after: Option<String>,
    /// Count them, month by month, instead of listing them
    #[arg(long, conflicts_with_all = ["facets", "detail", "after"])]
    pub count: bool,
    /// Cameras, lenses, types, stars and folders that there are, instead of a list
    #[arg(long, conflicts_with = "detail")]
    pub facets: bool,
    /// All that is known of the photograph of this path, or of this number
    #[arg(long, value_name = "PATH|ID")]
    pub detail: Option<PathBuf>,
    /// With --detail: write its thumbnail into this new file
    #[arg(long, value_name = "FILE", requires = "detail")]
    pub thumbnail: Option<PathBuf>,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum PreviewsCommand {
    /// How many photographs have a preview, and how much is kept on this machine
    Status(Json),
    /// Make those of photographs that were backed up before, from the library; a backup goes with it
    Make {
        /// Which job; may be left out where there is only one
        job: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Take them back from the repository, with an identity: nothing is thawed
    Fetch {
        #[command(flatten)]
        identity: Identity,
        #[command(flatten)]
        json: Json,
    },
    /// Make one, of standard input: what backups start
    #[command(hide = true)]
    Worker {
        /// Address space in bytes
        #[arg(long, default_value_t = crate::maker::MEMORY)]
        memory: u64,
        /// Seconds of the processor
        #[arg(long, default_value_t = crate::maker::CPU_SECONDS)]
        seconds: u64,
        /// Name of the file
        name: std::ffi::OsString,
    },
}

fn state(text: &str) -> Result<PhotographState, String> {
    PhotographState::from_word(text).ok_or_else(|| {
        let words: Vec<&str> = PhotographState::ALL.iter().map(|state| state.word()).collect();
        format!("one of {} is wanted", words.join(", "))
    })
}
