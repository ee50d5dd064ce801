//! The patterns and the delivery rule as sentences, each spoken over every bus.
//!
//! A sentence runs a small landscape in process, on a real bus and between real systems (a drop folder, HTTP, SQLite,
//! PostgreSQL), and looks at what came out: on a channel, in a database, among the parked. It knows a
//! [`subject::Subject`], never an engine, and waits for what it expects, never for time to pass.

#![allow(
    clippy::unwrap_used,
    reason = "what does not parse here is a mistake in the suite"
)]

mod ask;
mod asker;
mod callers;
mod deduplicate;
mod delivery;
mod doubt;
mod filter;
mod gate;
mod house;
mod inbound;
mod messages;
#[path = "../bus/scene.rs"]
#[allow(dead_code, reason = "shared with the suite of the bus")]
mod on_bus;
mod order;
mod outbound;
mod pacing;
#[path = "../bus/rabbit.rs"]
mod rabbit;
mod recipients;
mod route;
mod scripted;
mod sender;
mod split;
mod strangers;
#[path = "../bus/subject.rs"]
#[allow(dead_code, reason = "shared with the suite of the bus")]
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod then;
mod translate;
mod turns;
mod validate;

/// Makes a test of every sentence, for one engine.
macro_rules! sentences {
    ($engine:ident, $subject:ty) => {
        sentences! { $engine, $subject;
            filter::a_message_for_which_the_rule_is_true_passes_unchanged,
            filter::a_message_for_which_the_rule_is_false_ends_under_the_rules_own_words,
            filter::a_message_to_which_the_rule_cannot_be_put_is_parked,
            translate::a_message_made_of_a_message_has_an_id_of_its_own_and_names_its_cause,
            translate::the_same_message_again_is_translated_into_the_same_message_again,
            translate::a_message_that_went_through_a_record_has_an_id_of_its_own_too,
            translate::what_cannot_be_translated_is_parked_as_it_came_and_the_others_go_on,
            translate::a_cross_reference_is_fetched_before_the_mapping_runs_and_a_missing_one_parks_the_message,
            translate::a_message_that_grows_beyond_what_the_bus_carries_is_parked,
            route::the_first_case_that_is_true_takes_the_message_unchanged,
            route::a_message_whose_case_cannot_be_told_is_parked,
            split::each_element_becomes_a_message_with_the_same_id_again,
            split::a_record_is_split_into_messages_that_tell_nothing_of_its_file,
            split::a_message_without_parts_is_filtered,
            split::a_message_is_settled_only_when_all_its_parts_are_confirmed,
            split::one_part_that_cannot_be_made_parks_the_whole_and_passes_none_on,
            split::one_part_that_is_refused_parks_the_whole_and_applies_none,
            validate::a_type_of_the_landscapes_own_goes_all_the_way,
            validate::a_record_that_breaks_rules_is_parked_with_all_it_breaks,
            validate::a_message_that_a_flow_makes_of_another_obeys_the_rules_too,
            validate::what_others_publish_is_held_against_the_rules_where_the_channel_says_so,
            inbound::the_same_event_twice_is_the_same_message,
            inbound::a_batch_of_events_is_as_many_messages_and_200_when_all_are_confirmed,
            inbound::a_sender_hears_what_became_of_its_record,
            inbound::a_sender_hears_200_only_when_the_bus_has_confirmed,
            inbound::a_sender_that_waits_too_long_is_told_to_come_again,
            inbound::a_record_that_cannot_be_read_is_parked_as_it_came_and_the_others_go_on,
            inbound::a_record_that_grows_beyond_what_the_bus_carries_is_parked_and_the_others_go_on,
            inbound::after_a_crash_no_record_is_missing_and_none_counts_twice,
            inbound::a_stop_while_the_bus_refuses_skips_no_record,
            outbound::a_message_that_fails_comes_again_as_the_next_attempt_and_is_parked_after_the_last,
            outbound::a_message_that_fails_and_then_does_not_is_applied_once,
            outbound::while_its_system_is_away_a_message_waits_in_place_and_that_is_no_attempt,
            outbound::while_its_system_is_down_a_flow_is_paused_and_it_goes_on_by_itself,
            outbound::what_waited_while_its_system_was_down_keeps_its_order,
            outbound::what_a_step_has_ended_does_not_wait_for_a_system_that_is_locked,
            outbound::a_message_that_its_system_will_never_take_is_parked_alone,
            outbound::a_flow_whose_system_needs_a_person_stops_and_loses_nothing,
            delivery::a_message_of_another_type_is_parked_and_says_how_to_mend_it,
            delivery::what_is_no_protobuf_is_parked_and_the_flow_goes_on,
            delivery::a_message_that_has_expired_is_filtered,
            delivery::only_what_is_confirmed_counts_as_published,
            delivery::a_stop_under_load_loses_nothing_and_repeats_nothing,
            delivery::what_is_stopped_under_load_is_applied_once,
            delivery::what_crashes_under_load_is_applied_once,
            delivery::two_instances_share_the_work_and_apply_each_message_once,
            delivery::a_flow_whose_subscription_ends_begins_again,
            delivery::a_flow_that_panics_begins_again_where_it_was,
            ask::everybody_who_asks_gets_its_own_answer,
            ask::an_answer_that_is_a_canonical_message_comes_as_sinks_see_it,
            ask::an_answer_finds_its_way_through_other_flows_and_from_another_process,
            ask::a_request_that_nobody_takes_up_in_time_is_not_worked_on_any_more,
            ask::an_answer_that_comes_too_late_is_dropped_and_counted,
            ask::an_answer_to_a_process_that_is_gone_ends_under_a_name,
            ask::who_asks_what_no_flow_can_answer_hears_it_at_once,
            ask::what_is_no_request_ends_under_a_name_in_a_flow_that_answers,
            doubt::a_message_in_doubt_is_parked_where_the_flow_says_so_and_not_written_again,
            doubt::a_message_in_doubt_is_written_again_where_the_flow_says_so,
            then::an_answer_becomes_a_message_that_knows_what_it_answers,
            then::a_crash_before_the_answer_is_on_its_channel_repeats_it_under_its_id,
            then::a_message_whose_answer_is_missing_or_cannot_be_mapped_is_parked,
            tap::a_copy_of_each_message_goes_to_the_channel_and_the_flow_goes_on,
            tap::a_message_is_settled_only_when_its_copy_is_confirmed,
            tap::a_message_tells_the_flows_it_has_passed,
            recipients::everybody_whose_case_is_true_gets_the_message,
            recipients::who_is_left_over_goes_to_the_last_case,
            recipients::a_message_is_settled_only_when_all_recipients_have_it,
            pacing::a_throttled_flow_passes_one_message_at_a_time,
            pacing::a_stop_does_not_wait_for_a_throttle_and_loses_nothing,
            pacing::a_delayed_message_waits_on_the_bus_and_is_no_attempt,
            pacing::a_message_waits_until_the_time_that_it_tells,
            deduplicate::the_first_of_each_key_passes_and_repeats_end_under_a_name,
            deduplicate::repeats_that_come_at_once_wait_for_the_first,
            deduplicate::a_message_that_fails_leaves_no_mark,
            deduplicate::what_was_seen_is_remembered_after_a_crash,
            deduplicate::after_its_time_a_repeat_is_none,
            callers::a_caller_over_http_hears_what_a_flow_answers,
            callers::a_caller_hears_the_fallback_in_time_when_no_flow_answers,
            callers::a_caller_hears_the_fallback_at_once_when_its_request_is_parked,
            order::messages_of_a_key_keep_their_order_while_many_keys_are_under_way,
            order::what_fails_in_passing_is_tried_again_before_what_follows_it,
            order::what_follows_a_failed_message_is_parked_behind_it_and_other_keys_flow,
            order::a_parked_key_is_remembered_after_a_stop_and_a_crash,
            order::an_instance_that_takes_over_keeps_the_order_and_knows_the_parked_keys,
            order::a_replay_drains_the_key_in_order_while_new_messages_arrive,
            order::what_fails_again_in_a_replay_stays_parked_in_its_place,
            order::a_replay_of_one_key_leaves_the_others_parked,
            order::a_crash_in_the_middle_of_a_replay_repeats_and_keeps_the_order,
            order::when_parked_messages_were_taken_away_a_replay_sets_their_key_free,
            order::what_comes_without_a_key_passes_the_intake_in_its_order,
            order::what_lies_in_the_wrong_partition_is_sent_on_in_its_order,
            order::what_has_no_key_is_parked_alone_and_says_so,
            order::a_flow_gives_what_it_publishes_the_key_of_its_channel,
            order::a_step_that_panics_parks_its_message_and_the_flow_goes_on,
            turns::a_flow_is_at_rest_while_its_system_is_slow_and_an_attempt_is_due,
            turns::a_long_replay_whose_first_message_stands_last_keeps_the_order,
        }
    };
    ($engine:ident, $subject:ty; $($file:ident::$sentence:ident,)*) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    crate::$file::$sentence::<$subject>().await;
                }
            )*
        }
    };
}

sentences!(embedded, crate::subject::Embedded);
sentences!(rabbitmq, crate::rabbit::Rabbit);
