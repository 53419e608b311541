-- Enter (int8 7)
SELECT nullif(current_setting('pglock.session', true), '') IS NULL, set_config('pglock.session', $1::int8::text, false) IS NOT NULL AND NOT pg_is_in_recovery(), CASE WHEN pg_try_advisory_xact_lock($1::int8) THEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) ELSE false END;

-- Look (int8 7)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN true END;

-- Try(Bigint(-2), Exclusive) (int8 7, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_try_advisory_lock($2::int8) END;

-- Take(Bigint(-2), Exclusive, 500ms) (int8 7, text 500ms, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', $2::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock($3::int8) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN pg_advisory_lock($3::int8) IS NOT NULL END END END END;

-- Unlock(Bigint(-2), Exclusive) (int8 7, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock($2::int8) END;

-- Try(Bigint(-2), Shared) (int8 7, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_try_advisory_lock_shared($2::int8) END;

-- Take(Bigint(-2), Shared, 500ms) (int8 7, text 500ms, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', $2::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock_shared($3::int8) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN pg_advisory_lock_shared($3::int8) IS NOT NULL END END END END;

-- Unlock(Bigint(-2), Shared) (int8 7, int8 -2)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock_shared($2::int8) END;

-- Try(Pair(-3, 4), Exclusive) (int8 7, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_try_advisory_lock($2::int8::int4, $3::int8::int4) END;

-- Take(Pair(-3, 4), Exclusive, 500ms) (int8 7, text 500ms, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', $2::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock($3::int8::int4, $4::int8::int4) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN pg_advisory_lock($3::int8::int4, $4::int8::int4) IS NOT NULL END END END END;

-- Unlock(Pair(-3, 4), Exclusive) (int8 7, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock($2::int8::int4, $3::int8::int4) END;

-- Try(Pair(-3, 4), Shared) (int8 7, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_try_advisory_lock_shared($2::int8::int4, $3::int8::int4) END;

-- Take(Pair(-3, 4), Shared, 500ms) (int8 7, text 500ms, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN CASE WHEN set_config('lock_timeout', $2::text, true) IS NOT NULL THEN CASE WHEN pg_advisory_xact_lock_shared($3::int8::int4, $4::int8::int4) IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN pg_advisory_lock_shared($3::int8::int4, $4::int8::int4) IS NOT NULL END END END END;

-- Unlock(Pair(-3, 4), Shared) (int8 7, int8 -3, int8 4)
SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN pg_advisory_unlock_shared($2::int8::int4, $3::int8::int4) END;

