//! What a driver may do wrong, which promise that breaks, and the words in which it is told.

/// Makes the list. Kinds are those of the drivers that can be wrong in this way.
macro_rules! bugs {
    ($($(#[$doc:meta])* $kind:ident $bug:ident => $promise:ident, $words:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Bug { $($(#[$doc])* $bug,)* }

        impl Bug {
            pub(super) const ALL: &[Self] = &[$(Self::$bug),*];

            /// The promise that it breaks: the first in the list of promises.
            pub(super) const fn breaks(self) -> &'static str {
                match self { $(Self::$bug => stringify!($promise),)* }
            }

            pub(super) const fn words(self) -> &'static str {
                match self { $(Self::$bug => $words,)* }
            }
        }

        /// A test for each.
        macro_rules! for_each_bug {
            ($test:ident) => { $($test! { $kind $bug })* };
        }
    };
}

bugs! {
    /// Knows nothing of sessions that wait in line.
    Both KindUnknown => sessions_of_every_kind_can_be_had, "no connection of kind InLine";
    /// Sends each command over another connection, as of a pool.
    Both ConnectionForEachCommand => a_session_keeps_what_it_was_told, "the server's process";
    /// Resets the session after each command, as pools do.
    Both SessionReset => a_session_keeps_what_it_was_told, "current_setting";
    /// Says only that there is no connection, not why.
    Both RefusalUntold => a_refusal_is_told_with_the_servers_error, "comes back without the server's error";
    /// Takes what is fatal for an error.
    Both RefusalSoftened => a_refusal_is_told_with_the_servers_error, "but it was fatal";
    /// Has an error of its own for servers that cannot be reached.
    Both RefusalMadeUp => an_unreachable_server_has_refused_nothing, "makes up an error";
    /// Opens its connections in a task that nobody ends.
    Async ConnectGoesOn => a_connection_that_hangs_can_be_dropped, "the end of the dropped connection";
    /// Sends numbers as of 32 bits.
    Both NumberCutOnTheWayThere => numbers_keep_all_64_bits, "the server denies";
    /// Reads numbers as of 32 bits.
    Both NumberCutOnTheWayBack => numbers_keep_all_64_bits, "an int8 value";
    /// Reads numbers as floating-point ones, as by way of JSON.
    Both NumberRounded => numbers_keep_all_64_bits, "an int8 value";
    /// Sends `false` as if it were any value that is there.
    Both FalseSentAsTrue => truth_values_stay_what_they_are, "a bool parameter";
    /// Reads NULL as an empty text.
    Both NullReadAsEmpty => null_is_not_empty, "a int8 value that is NULL";
    /// Sends zero for NULL.
    Both NullSentAsZero => null_is_not_empty, "whether the parameter Int8(None) is NULL";
    /// Reads an empty text as NULL.
    Both EmptyReadAsNull => null_is_not_empty, "a value that is empty";
    /// Sends NULL for no bytes.
    Both EmptySentAsNull => null_is_not_empty, "whether the parameter Bytea(Some([])) is NULL";
    /// Reads a row from its end.
    Both ColumnsReversed => columns_stand_in_the_statements_order, "a row";
    /// Reads rows from the last to the first.
    Both RowsReversed => rows_come_in_the_servers_order, "the rows";
    /// Reads the first rows only, as of a page.
    Both RowsCut => rows_come_in_the_servers_order, "the rows";
    /// Takes an answer without rows for none.
    Both NoRowsAreLost => no_rows_are_an_answer, "Lost came of";
    /// Takes a remark for an error.
    Both RemarkIsAnError => no_rows_are_an_answer, "RAISE NOTICE";
    /// Sends the first element of an array.
    Both NumbersCut => arrays_of_numbers_arrive_whole, "the elements of an int8[] parameter";
    /// Sends a text without the spaces at its ends.
    Both TextTrimmed => texts_arrive_whole, "the server denies";
    /// Sends texts with quotes doubled.
    Both QuotesDoubled => texts_arrive_whole, "the server denies";
    /// Reads texts as of one byte for each character.
    Both TextReadAsLatin => texts_arrive_whole, "a text value";
    /// Sends a text's first 64 KiB.
    Both TextCut => texts_arrive_whole, "the server denies";
    /// Sends an array of texts without quotes.
    Both TextsUnquoted => arrays_of_texts_arrive_whole, "the elements of a text[] parameter";
    /// Reads bytes as text that ends with a zero.
    Both BytesCutAtZero => bytes_arrive_whole, "a bytea value of 256 bytes";
    /// Sends the first 64 KiB.
    Both BytesCut => bytes_arrive_whole, "the server denies";
    /// Knows the statements that it has prepared by checksums of their texts.
    Both StatementsMixedUp => statements_are_not_mixed_up, "SELECT $1::int8 +";
    /// Gives an answer to whichever session asks next.
    Both AnswersOfOtherSessions => sessions_get_their_own_answers, "one of several sessions";
    /// Knows no codes but that something went wrong.
    Both CodeForgotten => errors_keep_their_code_severity_and_words, "the code of an error";
    /// Says nothing of what went wrong.
    Both WordsForgotten => errors_keep_their_code_severity_and_words, "the words of";
    /// Takes every error for the end of the session.
    Both ErrorRaised => errors_keep_their_code_severity_and_words, "the severity of";
    /// Answers an error with no rows.
    Both ErrorSwallowed => errors_keep_their_code_severity_and_words, "Rows([]) came of";
    /// Takes errors whose codes are about connections for lost ones.
    Both ErrorIsLost => errors_keep_their_code_severity_and_words, "Lost came of";
    /// Skips an answer after an error.
    Both AnswerSkippedAfterError => an_error_leaves_the_session_sound, "0 rows came of";
    /// Sends a text up to its first NUL.
    Both TextCutAtNul => a_text_with_nul_is_refused, "the text \"a\\0b\" was taken";
    /// Takes it for granted that there is none.
    Both PanicsAtNul => a_text_with_nul_is_refused, "panicked";
    /// Gives an answer to whichever command waits on the session.
    Async AnswersOfOtherCommands => commands_may_be_under_way_together, "one of several commands";
    /// Gives all up that is under way when one command fails.
    Async ErrorSpoilsTheRest => commands_may_be_under_way_together, "one of several commands";
    /// Sends no more than 512 elements of an array.
    Both BatchCut => a_thousand_heartbeats_are_one_statement, "512 locks were told of";
    /// Has an error of its own for a lost reply.
    Both LostIsAnError => a_lost_reply_is_lost, "what became of a command whose reply was lost";
    /// Answers no rows for a lost reply.
    Both LostIsNoRows => a_lost_reply_is_lost, "what became of a command whose reply was lost";
    /// Takes the end of the session for an error. (The sync client does not always see that error.)
    Async FatalIsAnError => an_error_that_ends_the_session_says_so, "neither Lost nor";
    /// Connects again when a session has ended, and goes on there.
    Both ConnectsAgain => a_killed_session_answers_no_more, "a command on a session that was killed";
    /// Never says that a connection has ended.
    Both EndUntold => the_end_of_a_connection_is_told, "when the server ends the session";
    /// Says so once.
    Async EndToldOnce => the_end_of_a_connection_is_told, "asked once more";
    /// Says so to whoever asks, and wakes nobody.
    Async EndWakesNobody => the_end_of_a_connection_is_told, "when the server ends the session";
    /// Says that a connection has ended when a statement fails.
    Both EndToldTooSoon => a_living_connection_is_not_told_to_have_ended, "but the session does not";
    /// Keeps a connection that is dropped, as a pool does.
    Both SessionKept => a_dropped_session_ends, "the end of the session on the server";
    /// Keeps a connection that is dropped until its command is answered.
    Async SessionKeptWhileBusy => a_dropped_session_ends_though_a_statement_waits, "the end of the dropped connection";
    /// Gives the answer of a dropped command to the next one.
    Async AnswerOfADroppedCommand => a_dropped_command_shifts_no_answer, "the next is answered";
    /// Looks for notifications only when a command is answered.
    Both NotifiedByCommandsOnly => a_notification_wakes_whoever_waits, "tells the notification that was waited for";
    /// Keeps it for whoever asks, and wakes nobody.
    Async NotificationWakesNobody => a_notification_wakes_whoever_waits, "tells the notification that was waited for";
    /// Throws away what comes beside an answer.
    Both NotificationLostBesideAnAnswer => a_statement_under_way_costs_no_notification, "tells the notification that came during";
    /// Throws away what nobody waits for.
    Both NotificationForgotten => notifications_are_kept_while_nobody_asks, "what came first while nobody asked";
    /// Cuts what is long.
    Both NotificationCut => notifications_come_in_order_and_whole, "one of many notifications";
    /// Loses one now and then.
    Both NotificationLost => notifications_come_in_order_and_whole, "one of many notifications";
    /// Mixes up the order.
    Both NotificationsSwapped => notifications_come_in_order_and_whole, "one of many notifications";
    /// Tells one twice.
    Both NotificationRepeated => notifications_come_in_order_and_whole, "one of many notifications";
    /// Takes one, and forgets it if nobody waits any more when it is ready to tell.
    Async NotificationLostWithItsWait => a_dropped_wait_costs_no_notification, "the notification after a wait";
    /// Waits until a notification comes.
    Blocking WaitsForEver => a_wait_for_a_notification_lasts_as_long_as_it_may, "wait_for_notification() ends: this did not happen";
    /// Looks for a notification and does not wait for it: its thread never rests.
    Blocking WaitsForNothing => a_wait_for_a_notification_lasts_as_long_as_it_may, "ended in vain after";
    /// Is set back now and then.
    Both ClockSetBack => the_clock_never_runs_back, "the clock reads";
    /// Is read now and then, and tells what it read last: the reading after a reply is one from before it.
    Both ClockReadBefore => the_clock_is_read_when_it_is_asked, "the clock counts 0ns";
    /// Counts half of the time.
    Both ClockSlow => the_clock_is_read_when_it_is_asked, "the clock counts";
    /// Counts too much.
    Both ClockFast => the_clock_runs_at_the_servers_rate, "while the server's counts";
    /// Sleeps for ever if the time is up already.
    Async SleepMissesThePast => a_moment_that_has_passed_is_not_waited_for, "sleep_until() does not end";
    /// Wakes too early.
    Async SleepEarly => a_sleep_does_not_end_early, "early";
    /// Oversleeps.
    Async SleepLate => a_sleep_ends_soon_after_its_moment, "too late, again and again";
    /// Cannot count that far.
    Async FarOffIsNow => a_moment_that_is_far_off_is_not_reached, "early";
    /// Neither can this one.
    Async FarOffPanics => a_moment_that_is_far_off_is_not_reached, "sleep_until() panicked";
    /// Has one alarm for all.
    Async OneSleeper => sleepers_do_not_disturb_each_other, "sleep_until() does not end";
    /// Sends no more than eight parameters.
    Both ParametersCut => the_locks_work, "acquire()";
    /// Makes a grant of each refusal.
    Both RefusalIsAGrant => clients_exclude_each_other_while_sessions_are_killed, "was granted";
}
