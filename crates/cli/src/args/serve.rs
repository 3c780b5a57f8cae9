//! Arguments of the web page.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Json;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Serve {
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
    /// Address and port [default: `listen` of the configuration, else 127.0.0.1:7373]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub enum ServeCommand {
    /// Who may log in
    Logins(Json),
    /// Set the password of a login
    Password {
        #[command(flatten)]
        login: Login,
        /// File with the password; without it you are asked
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a token, to log in with or for programs, and print it; it is shown once
    Token(Login),
    /// Take a login away
    Remove {
        /// Its name
        name: String,
    },
    /// Print the document that describes the API
    Openapi,
}

#[derive(Debug, Args)]
pub struct Login {
    /// Name of the login
    pub name: String,
    /// What it may do
    #[arg(long, value_enum, default_value = "operator")]
    pub role: RoleArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Look
    Reader,
    /// Whatever the page can do
    Operator,
}
