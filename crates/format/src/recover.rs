//! The two files that tell a stranger how to get the photographs back.

/// `recover.py`: reads the format with Python, `age` and `zstd` alone.
pub const RECOVER_PY: &str = include_str!("../../../tools/recover.py");

/// `RECOVER.txt`.
pub fn recover_txt(repository: darkslide_words::RepositoryId) -> String {
    format!(
        "\
This folder is a Darkslide repository: photographs, sealed with age.
Repository {repository}, format 1.

You do not need Darkslide to get them back. You need the identity (a file or a
sheet of paper with a line that begins with AGE-SECRET-KEY-1) and three common
programs: age (age-encryption.org), zstd (RFC 8878) and tar (POSIX).

1. Everything, with every name, older and newer versions resolved:

     python3 recover.py --identity KEY . restore /elsewhere/photos    the latest snapshot
     python3 recover.py --identity KEY . packs /elsewhere/photos      from packs/ and warm/ alone

   recover.py lies beside this file; it needs Python 3.9, age and zstd.

2. With nothing but a shell. Each pack is age( zstd( tar ) ):

     mkdir /elsewhere/out
     find packs warm -name '*.tar.zst.age' | while read -r pack; do
       age -d -i KEY \"$pack\" | zstd -dc | tar x --keep-newer-files -C /elsewhere/out
     done

   gives every file that was wholly new when it was stored, under its own path
   (not empty files, folders and links: those have no bytes).
   Files larger than a pack come in parts; join them, for example
     cat clip.mov.darkslide-part-* > clip.mov
   (tar says of files that it kept a newer one, and of a keyword `hdrcharset`: both
   are harmless.)
   What is left in .darkslide/ are single chunks of files that were stored
   before in part, and one .json for each pack that says how they belong
   together (\"recipes\"); recover.py puts them together.

If the packs lie in an archive class of a cloud (such as DEEP_ARCHIVE), they have
to be restored there first; that takes hours and costs money. Everything else
here can be read at once.

The names of objects are the BLAKE3 of their bytes: `b3sum` checks them.
"
    )
}
