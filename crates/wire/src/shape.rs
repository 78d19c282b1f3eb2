//! The shapes of all messages in the table: which fields, in which versions, laid out how.
//!
//! Kafka's message schemas as data, one file per API, so that the guard can walk over bytes before anything decodes
//! them. That they agree with crate `kafka-protocol` in every version is tested in `guard`.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod fetch;
mod field;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod txn_offset_commit;
mod write_txn_markers;

pub(crate) use field::{Field, Kind};

use crate::table::Api;

/// The body of a request of `api`.
pub(crate) const fn request(api: Api) -> &'static [Field] {
    match api {
        Api::Produce => produce::REQUEST,
        Api::Fetch => fetch::REQUEST,
        Api::ListOffsets => list_offsets::REQUEST,
        Api::Metadata => metadata::REQUEST,
        Api::OffsetCommit => offset_commit::REQUEST,
        Api::OffsetFetch => offset_fetch::REQUEST,
        Api::FindCoordinator => find_coordinator::REQUEST,
        Api::JoinGroup => join_group::REQUEST,
        Api::Heartbeat => heartbeat::REQUEST,
        Api::LeaveGroup => leave_group::REQUEST,
        Api::SyncGroup => sync_group::REQUEST,
        Api::DescribeGroups => describe_groups::REQUEST,
        Api::ListGroups => list_groups::REQUEST,
        Api::ApiVersions => api_versions::REQUEST,
        Api::CreateTopics => create_topics::REQUEST,
        Api::DeleteTopics => delete_topics::REQUEST,
        Api::DeleteRecords => delete_records::REQUEST,
        Api::InitProducerId => init_producer_id::REQUEST,
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch::REQUEST,
        Api::AddPartitionsToTxn => add_partitions_to_txn::REQUEST,
        Api::AddOffsetsToTxn => add_offsets_to_txn::REQUEST,
        Api::EndTxn => end_txn::REQUEST,
        Api::WriteTxnMarkers => write_txn_markers::REQUEST,
        Api::TxnOffsetCommit => txn_offset_commit::REQUEST,
        Api::DescribeConfigs => describe_configs::REQUEST,
        Api::AlterConfigs => alter_configs::REQUEST,
        Api::DescribeLogDirs => describe_log_dirs::REQUEST,
        Api::CreatePartitions => create_partitions::REQUEST,
        Api::DeleteGroups => delete_groups::REQUEST,
        Api::IncrementalAlterConfigs => incremental_alter_configs::REQUEST,
        Api::OffsetDelete => offset_delete::REQUEST,
        Api::DescribeCluster => describe_cluster::REQUEST,
        Api::DescribeProducers => describe_producers::REQUEST,
        Api::DescribeTransactions => describe_transactions::REQUEST,
        Api::ListTransactions => list_transactions::REQUEST,
        Api::DescribeTopicPartitions => describe_topic_partitions::REQUEST,
    }
}

/// The body of an answer to `api`.
pub(crate) const fn response(api: Api) -> &'static [Field] {
    match api {
        Api::Produce => produce::RESPONSE,
        Api::Fetch => fetch::RESPONSE,
        Api::ListOffsets => list_offsets::RESPONSE,
        Api::Metadata => metadata::RESPONSE,
        Api::OffsetCommit => offset_commit::RESPONSE,
        Api::OffsetFetch => offset_fetch::RESPONSE,
        Api::FindCoordinator => find_coordinator::RESPONSE,
        Api::JoinGroup => join_group::RESPONSE,
        Api::Heartbeat => heartbeat::RESPONSE,
        Api::LeaveGroup => leave_group::RESPONSE,
        Api::SyncGroup => sync_group::RESPONSE,
        Api::DescribeGroups => describe_groups::RESPONSE,
        Api::ListGroups => list_groups::RESPONSE,
        Api::ApiVersions => api_versions::RESPONSE,
        Api::CreateTopics => create_topics::RESPONSE,
        Api::DeleteTopics => delete_topics::RESPONSE,
        Api::DeleteRecords => delete_records::RESPONSE,
        Api::InitProducerId => init_producer_id::RESPONSE,
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch::RESPONSE,
        Api::AddPartitionsToTxn => add_partitions_to_txn::RESPONSE,
        Api::AddOffsetsToTxn => add_offsets_to_txn::RESPONSE,
        Api::EndTxn => end_txn::RESPONSE,
        Api::WriteTxnMarkers => write_txn_markers::RESPONSE,
        Api::TxnOffsetCommit => txn_offset_commit::RESPONSE,
        Api::DescribeConfigs => describe_configs::RESPONSE,
        Api::AlterConfigs => alter_configs::RESPONSE,
        Api::DescribeLogDirs => describe_log_dirs::RESPONSE,
        Api::CreatePartitions => create_partitions::RESPONSE,
        Api::DeleteGroups => delete_groups::RESPONSE,
        Api::IncrementalAlterConfigs => incremental_alter_configs::RESPONSE,
        Api::OffsetDelete => offset_delete::RESPONSE,
        Api::DescribeCluster => describe_cluster::RESPONSE,
        Api::DescribeProducers => describe_producers::RESPONSE,
        Api::DescribeTransactions => describe_transactions::RESPONSE,
        Api::ListTransactions => list_transactions::RESPONSE,
        Api::DescribeTopicPartitions => describe_topic_partitions::RESPONSE,
    }
}
