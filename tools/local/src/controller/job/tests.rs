#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use crate::store::Store;

/// A store, the Job controller alone, a clock, and a kubelet that does what the test says.
struct World {
    store: Store,
    now: OffsetDateTime,
    made: std::cell::Cell<u32>,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut spec = spec;
        crate::object::merge_patch(
            &mut spec,
            &json!({"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}),
        );
        let store = Store::default();
        let job = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "sums", "namespace": "default"}, "spec": spec});
        store.create(job).unwrap();
        let world = Self {
            store,
            now: OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap(),
            made: std::cell::Cell::new(0),
        };
        world.settle();
        world
    }

    fn settle(&self) {
        let suffix = |_: usize| {
            self.made.set(self.made.get() + 1);
            format!("{:05}", self.made.get())
        };
        for _ in 0..10 {
            let context = Context {
                now: self.now,
                suffix: &suffix,
                node: "n",
                is_free: &|_| true,
            };
            for action in reconcile(&self.store.view(), context) {
                match action {
                    Action::Create(pod) => drop(self.store.create(pod).unwrap()),
                    Action::Patch(key, patch) => drop(self.store.patch(&key, &patch).unwrap()),
                    Action::Status(key, uid, status) => self.store.set_status(&key, &uid, status),
                    Action::Delete(key) => drop(self.store.delete(&key, None)),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn job(&self) -> Value {
        let key = Key::of_group("batch", "Job", "default", "sums");
        self.store
            .get(&key)
            .map_or(Value::Null, |job| (*job).clone())
    }

    fn active(&self) -> Vec<Arc<Value>> {
        let view = self.store.view();
        let pods = view.of_kind("", "Pod").map(|(_, pod)| Arc::clone(pod));
        pods.filter(|pod| is_active(pod)).collect()
    }

    /// The first pod that runs ends with `phase`.
    fn end_one(&self, phase: &str) {
        let pod = &self.active()[0];
        let status = json!({"phase": phase, "containerStatuses": [{"name": "c", "state":
            {"terminated": {"finishedAt": age::timestamp(self.now)}}}]});
        self.store
            .set_status(&Key::of(pod).unwrap(), uid(pod), status);
        self.settle();
    }

    /// What the kubelet does with pods that are to end.
    fn reap(&self) {
        let view = self.store.view();
        for (key, pod) in view.of_kind("", "Pod").filter(|(_, p)| is_terminating(p)) {
            self.store.remove(key, uid(pod));
        }
        self.settle();
    }

    fn pass(&mut self, seconds: i64) {
        self.now += Duration::seconds(seconds);
        self.settle();
    }
}

#[test]
fn a_job_runs_as_many_at_a_time_as_it_may_until_enough_succeeded() {
    let world = World::new(json!({"completions": 3, "parallelism": 2}));
    assert_eq!(world.active().len(), 2);
    world.end_one("Succeeded");
    assert_eq!(world.active().len(), 2);
    world.end_one("Succeeded");
    assert_eq!(world.active().len(), 1);
    world.end_one("Succeeded");
    let job = world.job();
    assert!(has_condition(&job, "Complete"), "{job}");
    assert_eq!(job["status"]["succeeded"], 3);
    assert_eq!(job["status"]["completionTime"], "2023-11-14T22:13:20Z");
    assert_eq!(
        world.store.view().of_kind("", "Pod").count(),
        3,
        "what they wrote can be read"
    );
}

#[test]
fn a_pod_that_is_deleted_after_its_success_is_not_run_again() {
    let world = World::new(json!({"completions": 2}));
    world.end_one("Succeeded");
    let view = world.store.view();
    let (key, pod) = view
        .of_kind("", "Pod")
        .find(|(_, pod)| text(pod, "/status/phase") == "Succeeded")
        .unwrap();
    world.store.remove(key, uid(pod));
    world.settle();
    assert_eq!(world.job()["status"]["succeeded"], 1);
    world.end_one("Succeeded");
    assert!(has_condition(&world.job(), "Complete"));
    assert_eq!(world.made.get(), 2);
}

#[test]
fn a_failed_pod_is_tried_again_after_a_pause_that_doubles_until_the_limit() {
    let mut world = World::new(json!({"backoffLimit": 2}));
    for pause in [10, 20] {
        world.end_one("Failed");
        world.pass(pause - 1);
        assert_eq!(world.active().len(), 0, "still in the pause of {pause} s");
        assert_eq!(
            due(&world.store.view(), world.now),
            Some(world.now + Duration::seconds(1))
        );
        world.pass(1);
        assert_eq!(world.active().len(), 1, "after the pause of {pause} s");
    }
    world.end_one("Failed");
    let job = world.job();
    assert!(has_condition(&job, "Failed"), "{job}");
    assert_eq!(job["status"]["failed"], 3);
    assert_eq!(
        job["status"]["conditions"][1]["message"],
        "Job has reached the specified backoff limit"
    );
}

#[test]
fn a_job_beyond_its_deadline_fails_when_its_pods_have_ended() {
    let mut world =
        World::new(json!({"activeDeadlineSeconds": 30, "parallelism": 2, "completions": 5}));
    assert_eq!(
        due(&world.store.view(), world.now),
        Some(world.now + Duration::seconds(30))
    );
    world.pass(30);
    assert_eq!(world.active().len(), 0);
    let job = world.job();
    assert!(has_condition(&job, "FailureTarget") && !has_condition(&job, "Failed"));
    world.reap();
    let job = world.job();
    assert!(has_condition(&job, "Failed"), "{job}");
    assert_eq!(job["status"]["conditions"][1]["reason"], "DeadlineExceeded");
}

#[test]
fn restarts_of_containers_count_where_pods_are_not_replaced() {
    let world = World::new(
        json!({"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure"}}}),
    );
    let pod = &world.active()[0];
    let restarted =
        |count: u8| json!({"phase": "Running", "containerStatuses": [{"restartCount": count}]});
    let key = Key::of(pod).unwrap();
    world.store.set_status(&key, uid(pod), restarted(1));
    world.settle();
    assert_eq!(world.active().len(), 1);
    world.store.set_status(&key, uid(pod), restarted(2));
    world.settle();
    world.reap();
    assert!(has_condition(&world.job(), "Failed"));
}

#[test]
fn a_finished_job_lives_as_long_as_it_says() {
    let mut world = World::new(json!({"ttlSecondsAfterFinished": 60}));
    world.end_one("Succeeded");
    world.pass(59);
    assert!(!world.job().is_null());
    assert_eq!(
        due(&world.store.view(), world.now),
        Some(world.now + Duration::seconds(1))
    );
    world.pass(1);
    assert!(world.job().is_null());
}

#[test]
fn a_work_queue_makes_no_pod_once_one_succeeded_and_waits_for_the_others() {
    let world = World::new(json!({"parallelism": 3}));
    assert_eq!(world.active().len(), 3);
    world.end_one("Succeeded");
    assert_eq!(world.active().len(), 2);
    assert!(!has_condition(&world.job(), "Complete"));
    world.end_one("Succeeded");
    world.end_one("Succeeded");
    assert!(has_condition(&world.job(), "Complete"));
}

#[test]
fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let world = World::new(json!({"suspend": true}));
    assert_eq!(world.active().len(), 0);
    assert!(has_condition(&world.job(), "Suspended"));
    let key = Key::of_group("batch", "Job", "default", "sums");
    let resume = json!({"spec": {"suspend": false}});
    world.store.patch(&key, &resume).unwrap();
    world.settle();
    assert_eq!(world.active().len(), 1);
    assert!(!has_condition(&world.job(), "Suspended"));
}

#[test]
fn pods_carry_the_labels_by_which_logs_of_a_job_are_found() {
    let world = World::new(json!({}));
    let labels = labels(&world.active()[0]);
    assert_eq!(labels["job-name"], "sums");
    assert_eq!(labels[NAME_LABEL], "sums");
    assert_eq!(labels[CONTROLLER_LABEL], uid(&world.job()));
}
