-- Enter (int8 7)
SELECT nullif(current_setting('pglock.session', true), '') IS NULL, set_config('pglock.session', $1::int8::text, false) IS NOT NULL AND NOT pg_is_in_recovery(), CASE WHEN pg_try_advisory_xact_lock($1::int8) THEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) ELSE false END;

-- Look (int8 7)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN true END;

-- Try(Bigint(-2), Exclusive) (int8 7, text , int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- Ring(Bigint(-2), Exclusive) (int8 7, text , int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) WHEN pg_try_advisory_lock_shared($4::int8::int4, $5::int8::int4) THEN CASE WHEN NOT pg_try_advisory_lock($3::int8) THEN -2 WHEN pg_advisory_unlock_shared($4::int8::int4, $5::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END WHEN pg_try_advisory_lock($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- RingOn(Bigint(-2), Exclusive) (int8 7, text , int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_try_advisory_lock($3::int8) THEN -2 WHEN pg_advisory_unlock_shared($4::int8::int4, $5::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END;

-- Take(Bigint(-2), Exclusive, 500ms) (int8 7, text "locks_token", int8 -2, text 500ms)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', ceil(1000 * extract(epoch FROM least($4::text::interval, current_setting('deadlock_timeout')::interval / 2)))::int8::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock($3::int8) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN CASE WHEN pg_advisory_lock($3::int8) IS NOT NULL THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END END END END;

-- Unlock(Bigint(-2), Exclusive) (int8 7, text advisory -2, int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_advisory_unlock($3::int8) THEN false WHEN pg_try_advisory_xact_lock($4::int8::int4, $5::int8::int4) THEN true ELSE pg_notify('pglock_advisory', $2::text) IS NOT NULL END END;

-- Try(Bigint(-2), Shared) (int8 7, text , int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock_shared($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- Ring(Bigint(-2), Shared) (int8 7, text , int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock_shared($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) WHEN pg_try_advisory_lock_shared($4::int8::int4, $5::int8::int4) THEN CASE WHEN NOT pg_try_advisory_lock_shared($3::int8) THEN -2 WHEN pg_advisory_unlock_shared($4::int8::int4, $5::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END WHEN pg_try_advisory_lock_shared($3::int8) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- RingOn(Bigint(-2), Shared) (int8 7, text , int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_try_advisory_lock_shared($3::int8) THEN -2 WHEN pg_advisory_unlock_shared($4::int8::int4, $5::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END;

-- Take(Bigint(-2), Shared, 500ms) (int8 7, text "locks_token", int8 -2, text 500ms)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', ceil(1000 * extract(epoch FROM least($4::text::interval, current_setting('deadlock_timeout')::interval / 2)))::int8::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock_shared($3::int8) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN CASE WHEN pg_advisory_lock_shared($3::int8) IS NOT NULL THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END END END END;

-- Unlock(Bigint(-2), Shared) (int8 7, text advisory -2, int8 -2, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_advisory_unlock_shared($3::int8) THEN false WHEN pg_try_advisory_xact_lock($4::int8::int4, $5::int8::int4) THEN true ELSE pg_notify('pglock_advisory', $2::text) IS NOT NULL END END;

-- Quiet(Bigint(-2)) (int8 7, int8 96590526, int8 1345117237)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock_shared($2::int8::int4, $3::int8::int4) END;

-- Try(Pair(-3, 4), Exclusive) (int8 7, text , int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- Ring(Pair(-3, 4), Exclusive) (int8 7, text , int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) WHEN pg_try_advisory_lock_shared($5::int8::int4, $6::int8::int4) THEN CASE WHEN NOT pg_try_advisory_lock($3::int8::int4, $4::int8::int4) THEN -2 WHEN pg_advisory_unlock_shared($5::int8::int4, $6::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END WHEN pg_try_advisory_lock($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- RingOn(Pair(-3, 4), Exclusive) (int8 7, text , int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_try_advisory_lock($3::int8::int4, $4::int8::int4) THEN -2 WHEN pg_advisory_unlock_shared($5::int8::int4, $6::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END;

-- Take(Pair(-3, 4), Exclusive, 500ms) (int8 7, text "locks_token", int8 -3, int8 4, text 500ms)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', ceil(1000 * extract(epoch FROM least($5::text::interval, current_setting('deadlock_timeout')::interval / 2)))::int8::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock($3::int8::int4, $4::int8::int4) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN CASE WHEN pg_advisory_lock($3::int8::int4, $4::int8::int4) IS NOT NULL THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END END END END;

-- Unlock(Pair(-3, 4), Exclusive) (int8 7, text advisory -3 4, int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_advisory_unlock($3::int8::int4, $4::int8::int4) THEN false WHEN pg_try_advisory_xact_lock($5::int8::int4, $6::int8::int4) THEN true ELSE pg_notify('pglock_advisory', $2::text) IS NOT NULL END END;

-- Try(Pair(-3, 4), Shared) (int8 7, text , int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock_shared($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- Ring(Pair(-3, 4), Shared) (int8 7, text , int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN pg_try_advisory_lock_shared($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) WHEN pg_try_advisory_lock_shared($5::int8::int4, $6::int8::int4) THEN CASE WHEN NOT pg_try_advisory_lock_shared($3::int8::int4, $4::int8::int4) THEN -2 WHEN pg_advisory_unlock_shared($5::int8::int4, $6::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END WHEN pg_try_advisory_lock_shared($3::int8::int4, $4::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) ELSE -1 END END;

-- RingOn(Pair(-3, 4), Shared) (int8 7, text , int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_try_advisory_lock_shared($3::int8::int4, $4::int8::int4) THEN -2 WHEN pg_advisory_unlock_shared($5::int8::int4, $6::int8::int4) THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END;

-- Take(Pair(-3, 4), Shared, 500ms) (int8 7, text "locks_token", int8 -3, int8 4, text 500ms)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', ceil(1000 * extract(epoch FROM least($5::text::interval, current_setting('deadlock_timeout')::interval / 2)))::int8::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock_shared($3::int8::int4, $4::int8::int4) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN CASE WHEN pg_advisory_lock_shared($3::int8::int4, $4::int8::int4) IS NOT NULL THEN coalesce(nextval(nullif($2::text, '')::regclass), 0) END END END END END;

-- Unlock(Pair(-3, 4), Shared) (int8 7, text advisory -3 4, int8 -3, int8 4, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN NOT pg_advisory_unlock_shared($3::int8::int4, $4::int8::int4) THEN false WHEN pg_try_advisory_xact_lock($5::int8::int4, $6::int8::int4) THEN true ELSE pg_notify('pglock_advisory', $2::text) IS NOT NULL END END;

-- Quiet(Pair(-3, 4)) (int8 7, int8 -224462612, int8 1381037238)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock_shared($2::int8::int4, $3::int8::int4) END;

