//! The file commands.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::files::{NAME_MAX, path};
use super::input::{Data, Purpose};
use super::output::framed;
use super::parse::{Args, Form};

/// Largest piece of one `AT+FSWRITE`. Source: AT command manual V1.6.3, file commands.
const WRITE_MAX: u32 = 10_240;
/// Time to make or remove a directory. Source: time-stamped file system log.
const DIRECTORY_WRITE: Duration = Duration::from_millis(35);

impl Engine {
    pub(super) fn file_command(&mut self, name: &str, form: &Form) -> Outcome {
        if name == "+FSMEM" {
            if *form != Form::Plain {
                return Err(Fault::Error);
            }
            // No OK, and an empty line behind it: so the log has it.
            let text = [framed(&format!("+FSMEM: {} bytes", self.files.free())), b"\r\n".to_vec()].concat();
            return Ok(Flow::Ends(text));
        }
        let args = args(form)?;
        match name {
            "+FSLS" => {
                let directory = args.at_most(1)?.text(0, NAME_MAX)?;
                let directory = if directory == "/" { String::new() } else { path(&directory)? };
                let names = self.files.list(&directory)?;
                if !names.is_empty() {
                    self.info_list(&names);
                }
            }
            "+FSCREATE" => self.files.create(file(args.at_most(1)?)?)?,
            "+FSDEL" => self.files.delete(&file(args.at_most(1)?)?)?,
            "+FSMKDIR" => {
                self.files.make_directory(file(args.at_most(1)?)?)?;
                return Ok(Flow::After(DIRECTORY_WRITE));
            }
            "+FSRMDIR" => self.files.remove_directory(&file(args.at_most(1)?)?)?,
            "+FSFLSIZE" => {
                let length = self.files.read(&file(args.at_most(1)?)?)?.len();
                self.info(&format!("+FSFLSIZE: {length}"));
            }
            "+FSREAD" => return self.file_read(args),
            _ => return self.file_write(args),
        }
        Ok(Flow::Next)
    }

    /// `AT+FSREAD=<file>,<0 from the start|1 from position>,<size>,<position>`
    fn file_read(&mut self, args: &Args) -> Outcome {
        let path = file(args.at_most(4)?)?;
        let from_position = args.number(1, 0..=1)? == 1;
        let size = usize::try_from(args.number(2, 1..=WRITE_MAX)?).map_err(|_| Fault::RANGE)?;
        let position = usize::try_from(args.number(3, 0..=u32::MAX)?).map_err(|_| Fault::RANGE)?;
        let content = self.files.read(&path)?;
        let rest = if from_position { content.get(position..).ok_or(Fault::RANGE)? } else { content };
        let piece = rest.get(..size.min(rest.len())).unwrap_or_default();
        // The data block is closed by the CR LF of the OK itself.
        Ok(Flow::Ends([b"\r\n", piece, &framed("OK")].concat()))
    }

    /// `AT+FSWRITE=<file>,<0 anew|1 behind>,<size>,<seconds>`
    fn file_write(&mut self, args: &Args) -> Outcome {
        let path = file(args.at_most(4)?)?;
        let append = args.number(1, 0..=1)? == 1;
        if args.number(2, 1..=u32::MAX)? > WRITE_MAX {
            return Err(Fault::FILE_TOO_LARGE);
        }
        let length = usize::try_from(args.number(2, 1..=WRITE_MAX)?).map_err(|_| Fault::RANGE)?;
        let seconds = args.number(3, 1..=3600)?;
        self.files.read(&path)?;
        let data = Data {
            within: Some(Duration::from_secs(u64::from(seconds))),
            ..Data::counted(Purpose::File { path, append }, length)
        };
        Ok(Flow::Data(data, false))
    }
}

fn file(args: &Args) -> Result<String, Fault> {
    path(&args.text(0, NAME_MAX)?)
}
