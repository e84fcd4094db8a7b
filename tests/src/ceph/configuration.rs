//! What a private store's `ceph.conf` says, and why.
//!
//! Not here: what goes to a program as an argument (`processes.rs`).

use std::path::Path;

/// Where the gateway and the monitor listen, on 127.0.0.1.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    /// Of the monitor.
    pub(super) monitor: u16,
    /// Of the gateway, without TLS.
    pub(super) plain: u16,
    /// Of the gateway, with TLS.
    pub(super) tls: u16,
}

/// The cluster and what listens: nothing is reached from another machine, nothing is written outside of the directory.
///
/// The daemons' keys would keep out programs of this machine alone, at the price of more processes at each start; the store's users
/// have keys all the same. The gateway alone asks for `secure` where nothing else is said, which needs those keys.
const CLUSTER: &str = "
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
admin_socket =
log_file =
log_to_stderr = true
err_to_stderr = true
mon_cluster_log_to_file = false
debug_rocksdb = 0
";

/// The monitor commits what it is told at once. Where several monitors agree, a second in which proposals gather is cheap; here each pool
/// and each step of the start would wait for one, which is most of the 20 s that a start takes otherwise. It would also end by itself on a
/// disk of which less than 5 % are free, as builders' disks are; it needs some megabytes.
const MONITOR: &str = "
paxos_propose_interval = 0.01
paxos_min_wait = 0
mon_data_avail_warn = 0
mon_data_avail_crit = 0
mon_allow_pool_size_one = true
";

/// One OSD that keeps objects in its memory, as many bytes of them as there are objects; the size is what it says that it has, and takes
/// none. At its start an OSD would ask the monitor to place it, with a script that wants a cluster's own paths, and to note its kind of
/// device, which only the manager that is not here reads: both would fail. One thread and few shards: there are two cores, if so many.
const OSD: &str = "
osd_objectstore = memstore
memstore_device_bytes = 17179869184
osd_class_update_on_start = false
osd_crush_update_on_start = false
osd_memory_target = 939524096
osd_op_num_shards = 2
ms_async_op_threads = 1
";

/// Pools have one copy and one placement group: there is one OSD, and each group is peered before its pool is served. No manager is there
/// to change their number.
const POOLS: &str = "
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
";

/// The gateway's own bookkeeping lies in one object of each kind, each of which is made at the first start. It has no other zone to follow,
/// and no index is split while tests list it.
const GATEWAY: &str = "
rgw_md_log_max_shards = 1
rgw_data_log_num_shards = 1
rgw_num_control_oids = 1
rgw_gc_max_objs = 1
rgw_lc_max_objs = 1
rgw_objexp_hints_num_shards = 1
rgw_reshard_num_logs = 1
rgw_run_sync_thread = false
rgw_enable_quota_threads = false
rgw_dynamic_resharding = false
rgw_thread_pool_size = 64
";

/// The file of a cluster.
pub(super) fn text(directory: &Path, cluster: &str, ports: Ports, domain: &str) -> String {
    let place = directory.display();
    let Ports { monitor, plain, tls } = ports;
    // Without `tcp_nodelay` an answer waits for the client's delayed acknowledgement: 48 ms to each small GET.
    format!(
        "[global]
fsid = {cluster}
mon_initial_members = a
mon_host = [v2:127.0.0.1:{monitor}]
mon_data = {place}/mon
osd_data = {place}/osd
rgw_data = {place}
run_dir = {place}
crash_dir = {place}
keyring = {place}/keyring
rgw_dns_name = {domain}
rgw_frontends = beast endpoint=127.0.0.1:{plain} ssl_endpoint=127.0.0.1:{tls} ssl_certificate={place}/server.crt ssl_private_key={place}/server.key tcp_nodelay=1
{CLUSTER}{MONITOR}{OSD}{POOLS}{GATEWAY}"
    )
}
