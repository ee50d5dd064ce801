//! The promise of the bus as sentences, each spoken over every engine.
//!
//! A sentence is a generic function in the file of its subject; it knows a [`subject::Subject`], never an engine, and
//! waits for what it expects, never for time to pass. A new engine is one line at the end of this file.

#![allow(
    clippy::unwrap_used,
    reason = "what does not parse here is a mistake in the suite"
)]

mod crash;
mod declare;
mod deliver;
mod drain;
mod order;
mod park;
mod publish;
mod rabbit;
mod retry;
mod scene;
mod state;
mod subject;
#[path = "../support/mod.rs"]
mod support;

/// Makes a test of every sentence, for one engine.
macro_rules! contract {
    ($engine:ident, $subject:ty $(; and $($more:ident::$one:ident),*)?) => {
        contract! { $engine, $subject;
            declare::declaring_twice_changes_nothing,
            declare::a_queue_that_exists_otherwise_is_refused,
            declare::what_is_not_declared_is_refused,
            publish::a_confirmed_message_outlives_reopening,
            publish::every_bound_queue_gets_a_copy,
            publish::all_attributes_survive_the_way,
            publish::a_native_record_arrives_as_it_was_sent,
            publish::an_empty_body_arrives,
            publish::a_body_of_one_mebibyte_arrives,
            publish::a_body_of_sixteen_mebibytes_arrives,
            publish::a_larger_body_refuses_its_hop_and_no_other,
            publish::an_unroutable_output_refuses_the_hop_and_leaves_its_input_unsettled,
            publish::the_hops_of_a_batch_are_independent,
            publish::many_tasks_complete_at_once,
            deliver::what_comes_of_a_message_is_there_when_it_is_gone,
            deliver::competing_consumers_share_a_queue_without_overlap,
            deliver::prefetch_bounds_what_is_given_out,
            deliver::a_full_subscription_holds_up_no_other_queue,
            deliver::a_dropped_delivery_comes_again_as_the_same_attempt,
            deliver::a_dropped_subscription_leaves_its_messages_to_the_others,
            deliver::closing_gives_back_what_was_not_received,
            deliver::a_delivery_kept_past_its_subscription_cannot_be_settled,
            deliver::unsettled_messages_come_again_after_reopening,
            deliver::settling_one_settles_no_other,
            deliver::nothing_under_way_is_settled_with_what_came_after_it,
            deliver::a_hop_settles_all_its_inputs,
            deliver::what_is_settled_is_gone_for_good,
            deliver::a_subscription_waits_for_what_comes_later,
            retry::a_retry_comes_after_its_delay_as_the_next_attempt,
            retry::a_retry_does_not_hold_up_what_is_behind_it,
            retry::a_retry_goes_back_to_its_own_queue_only,
            retry::a_retry_outlives_reopening,
            retry::a_hastened_retry_comes_at_once_with_its_attempt_and_cause,
            park::a_parked_message_keeps_content_attributes_attempts_and_cause,
            park::parked_messages_are_no_longer_delivered,
            park::parked_messages_are_listed_oldest_first_and_outlive_reopening,
            park::a_source_parks_what_it_cannot_map,
            park::what_no_bus_carries_is_refused_and_parked_without_what_is_too_much,
            park::a_replayed_message_comes_to_its_own_queue_as_a_first_attempt,
            park::a_discarded_message_is_gone_for_good,
            park::a_parked_message_that_is_dropped_stays_parked,
            park::parked_messages_are_given_out_oldest_first_and_later_ones_too,
            state::state_is_stored_with_its_hop_and_outlives_reopening,
            state::a_refused_hop_stores_no_state,
            crash::what_a_killed_process_had_confirmed_is_there,
            crash::a_process_killed_while_forwarding_loses_nothing,
            crash::a_slow_consumer_keeps_no_more_than_its_prefetch_in_memory,
            order::each_key_has_its_partition_and_what_has_none_goes_to_the_intake,
            order::a_partition_is_given_to_one_subscription_and_then_to_the_next,
            order::a_dropped_subscription_leaves_its_partition_to_the_next,
            order::marks_tell_of_all_that_is_parked_in_which_order,
            order::another_number_of_partitions_is_refused_while_something_waits,
            order::a_process_killed_again_and_again_keeps_the_order_of_each_key,
            order::a_process_killed_while_it_replays_keeps_the_order_of_each_key,
            $($($more::$one,)*)?
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

            /// The processes that the crash sentences start and kill.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "runs in a process of its own, started by the crash sentences"]
            async fn child() {
                crate::crash::child::<$subject>().await;
            }
        }
    };
}

contract!(embedded, crate::subject::Embedded; and crash::a_message_that_kills_its_process_runs_alone_and_is_parked);
contract!(rabbitmq, crate::rabbit::Rabbit; and crash::a_message_that_kills_its_process_runs_alone_and_is_parked);
