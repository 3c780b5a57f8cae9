//! The two calls to a queue.

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;

use crate::amazon::Amazon;
use crate::failure::Failure;
use crate::link::Repeat;
use crate::service::Message;

/// Messages a call: the most that a queue gives or deletes at once.
const MESSAGES: usize = 10;

impl Amazon {
    pub(crate) fn receive(&self, queue: &str) -> Result<Vec<Message>, Failure> {
        let answer = self.link.call(Repeat::Passing, 0, || async {
            let receive = self.link.sqs.receive_message().queue_url(queue).max_number_of_messages(MESSAGES as i32);
            Ok(receive.wait_time_seconds(0).send().await?)
        })?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(|m| Some(Message { body: m.body?, handle: m.receipt_handle? })).collect())
    }

    /// What cannot be deleted now comes again, which does no harm.
    pub(crate) fn forget(&self, queue: &str, handles: &[String]) -> Result<(), Failure> {
        for some in handles.chunks(MESSAGES) {
            let entry = |(at, handle): (usize, &String)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(format!("m{at}")).receipt_handle(handle);
                entry.build().map_err(|error| Failure::unreadable(error.to_string()))
            };
            let entries = some.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
            self.link.call(Repeat::Passing, 0, || async {
                let delete = self.link.sqs.delete_message_batch().queue_url(queue);
                delete.set_entries(Some(entries.clone())).send().await?;
                Ok(())
            })?;
        }
        Ok(())
    }
}
